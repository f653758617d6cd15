package client

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/seed-15847954/ropewalk/websocket"
)

// A link is one connection after the server's answer to connect.
type link struct {
	client *Client
	conn   *websocket.Conn
	gone   chan struct{} // closed when the connection has ended

	// sending is held while a command gets its id and is sent, so that the ids
	// rise on the wire. A context can give up on it.
	sending chan struct{}
	lastID  uint64 // guarded by sending

	// Guarded by Client.mu: what to do with the replies that are to come.
	pending map[uint64]func(*message)
}

func newLink(c *Client, conn *websocket.Conn) *link {
	return &link{
		client: c, conn: conn,
		gone:    make(chan struct{}),
		sending: make(chan struct{}, 1),
		pending: make(map[uint64]func(*message)),
	}
}

// send sends a command and has replied called with its reply by the goroutine that
// reads, before it reads on. Replied must not block. An error that is net.ErrClosed means that the
// connection has ended: gone is closed, or is about to be.
func (l *link) send(ctx context.Context, name string, body any, replied func(*message)) error {
	if err := l.lock(ctx); err != nil {
		return err
	}
	defer l.unlock()
	return l.transmit(ctx, name, body, replied)
}

// lock takes sending, or returns the cause of ctx's end. It comes before Client.mu.
func (l *link) lock(ctx context.Context) error {
	select {
	case l.sending <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (l *link) unlock() { <-l.sending }

// transmit is send with sending held.
func (l *link) transmit(ctx context.Context, name string, body any, replied func(*message)) error {
	l.lastID++
	b, err := l.client.codec.encode(&command{id: l.lastID, name: name, body: body})
	if err != nil {
		l.lastID--
		return err
	}
	l.expect(l.lastID, replied)
	if err := l.conn.Write(ctx, l.client.codec.messageType(), b); err != nil {
		if !errors.Is(err, net.ErrClosed) { // else whoever reads has to find the end
			l.expect(l.lastID, nil)
		}
		return fmt.Errorf("client: %s: %w", name, err)
	}
	return nil
}

// expect notes what to do with a reply; nil means nothing any more.
func (l *link) expect(id uint64, replied func(*message)) {
	l.client.mu.Lock()
	defer l.client.mu.Unlock()
	if replied == nil {
		delete(l.pending, id)
		return
	}
	l.pending[id] = replied
	l.client.room.Broadcast() // an answer is waited for: reading goes on
}

// reply hands a reply to whoever waits for it.
func (l *link) reply(m *message) {
	l.client.mu.Lock()
	replied := l.pending[m.ID]
	delete(l.pending, m.ID)
	l.client.mu.Unlock()
	if replied != nil {
		replied(m)
	}
}

// read returns the next message.
func (l *link) read(ctx context.Context) (*message, error) {
	_, b, err := l.conn.Read(ctx)
	if err != nil {
		return nil, err
	}
	return l.client.codec.decode(b)
}
