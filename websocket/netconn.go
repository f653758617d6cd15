package websocket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// NetConn gives c the shape of a net.Conn, to tunnel other protocols. Each Write
// sends one message of the given type; Read gives the bytes of the messages one
// after another, and io.EOF when the peer closes with CloseNormal or
// CloseGoingAway. A message of the other type fails the connection with
// CloseUnsupportedData.
//
// Deadlines are those of net.Conn and do no harm to the connection: calls go on
// when the deadline is moved. Close is c.Close(CloseNormal, ""). When ctx ends,
// the connection is closed with CloseNow.
func NetConn(ctx context.Context, c *Conn, typ MessageType) net.Conn {
	n := &netConn{c: c, typ: typ}
	n.read.expired = make(chan struct{})
	n.write.expired = make(chan struct{})
	n.stop = context.AfterFunc(ctx, func() { _ = c.CloseNow() })
	return n
}

type netConn struct {
	c    *Conn
	typ  MessageType
	stop func() bool

	read, write deadline

	reading lock
	message io.Reader // guarded by reading; nil between messages
}

func (n *netConn) Read(p []byte) (int, error) {
	ctx := n.read.context()
	if err := n.c.acquire(ctx, &n.reading); err != nil {
		return 0, netError(err)
	}
	defer n.reading.release()
	for {
		if n.message == nil {
			if err := n.open(ctx); err != nil {
				return 0, netError(err)
			}
		}
		got, err := n.message.Read(p)
		if err == nil || got > 0 {
			return got, nil
		}
		n.message = nil
		// A message keeps the deadline that it was opened with. If that has passed
		// but was moved since, the message is taken up again.
		if err != io.EOF && (!errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil) {
			return 0, netError(err)
		}
	}
}

// open takes up the next message, or the one that a deadline interrupted.
func (n *netConn) open(ctx context.Context) error {
	typ, r, err := n.c.Resume(ctx)
	if errors.Is(err, errNothingOpen) {
		typ, r, err = n.c.Reader(ctx)
	}
	if err != nil {
		return err
	}
	if typ != n.typ {
		err := fmt.Errorf("websocket: %v message where %v is expected", typ, n.typ)
		n.c.startClose(&CloseError{Code: CloseUnsupportedData, Reason: err.Error(), Err: err})
		n.c.awaitPeer(n.c.closeTimer())
		return n.c.err()
	}
	n.message = r
	return nil
}

func (n *netConn) Write(p []byte) (int, error) {
	if err := n.c.Write(n.write.context(), n.typ, p); err != nil {
		if errors.Is(err, ErrUnfinishedWrite) {
			return len(p), netError(err) // the peer will get all of it
		}
		return 0, netError(err)
	}
	return len(p), nil
}

func (n *netConn) Close() error {
	n.stop()
	return n.c.Close(CloseNormal, "")
}

func (n *netConn) LocalAddr() net.Addr  { return addrOr(n.c.LocalAddr()) }
func (n *netConn) RemoteAddr() net.Addr { return addrOr(n.c.RemoteAddr()) }

func (n *netConn) SetDeadline(t time.Time) error {
	n.read.set(t)
	n.write.set(t)
	return nil
}

func (n *netConn) SetReadDeadline(t time.Time) error {
	n.read.set(t)
	return nil
}

func (n *netConn) SetWriteDeadline(t time.Time) error {
	n.write.set(t)
	return nil
}

// netError gives err the form that users of net.Conn look for.
func netError(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return os.ErrDeadlineExceeded
	}
	var closed *CloseError
	if errors.As(err, &closed) && closed.Remote && (closed.Code == CloseNormal || closed.Code == CloseGoingAway) {
		return io.EOF
	}
	return err
}

// A deadline is a moment that can be moved while calls wait for it.
type deadline struct {
	mu      sync.Mutex
	timer   *time.Timer
	expired chan struct{} // closed when the deadline has passed
}

// context returns a context that ends at the deadline, also if that is moved
// while the context is in use.
func (d *deadline) context() context.Context {
	d.mu.Lock()
	defer d.mu.Unlock()
	return deadlineContext{context.Background(), d.expired}
}

func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil && !d.timer.Stop() {
		<-d.expired // the timer is about to close it
	}
	d.timer = nil
	if isClosed(d.expired) {
		d.expired = make(chan struct{})
	}
	if t.IsZero() {
		return
	}
	expired := d.expired
	if wait := time.Until(t); wait > 0 {
		d.timer = time.AfterFunc(wait, func() { close(expired) })
	} else {
		close(expired)
	}
}

type deadlineContext struct {
	context.Context
	expired <-chan struct{}
}

func (c deadlineContext) Done() <-chan struct{} { return c.expired }

func (c deadlineContext) Err() error {
	if isClosed(c.expired) {
		return context.DeadlineExceeded
	}
	return nil
}

// noAddr stands for the address of a stream that has none.
type noAddr struct{}

func (noAddr) Network() string { return "websocket" }
func (noAddr) String() string  { return "websocket" }

func addrOr(a net.Addr) net.Addr {
	if a == nil {
		return noAddr{}
	}
	return a
}
