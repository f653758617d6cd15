package native

import (
	"context"
	"errors"
	"io"

	"github.com/seed-15847954/ropewalk/session"
	"github.com/seed-15847954/ropewalk/websocket"
)

// A client is one WebSocket and its conversation. It is the connection's
// EventHandler.
type client struct {
	conversation
	socket transport

	// ended is closed when the connection and its session have ended. It is nil
	// where nobody waits for that.
	ended chan struct{}
}

// serve reads the first message, and has the others handled as they come. If ended is
// not nil, it is closed when the connection and its session have ended. The
// caller has counted conn among the handler's connections.
func (h *Handler) serve(conn *websocket.Conn, ended chan struct{}) {
	h.Observer.Opened()
	codec := codecFor(conn.Subprotocol())
	c := &client{ended: ended}
	c.socket = transport{conn: conn, codec: codec, observer: h.Observer, blocked: &h.blocked, talk: &c.conversation}
	c.start(context.Background(), h, codec, &c.socket)
	if err := c.greet(conn); err != nil {
		c.finish(left(err))
		return
	}
	conn.Handle(c)
}

// greet reads the first message, which has less room and less time than later ones,
// for nobody knows yet who sends it.
func (c *client) greet(conn *websocket.Conn) error {
	ctx, cancel := context.WithTimeoutCause(context.Background(), c.handler.ConnectTimeout, ConnectTimeout)
	defer cancel()
	typ, message, err := conn.Reader(ctx)
	if err != nil {
		return timedOut(ctx, err)
	}
	b, err := io.ReadAll(io.LimitReader(message, maxEarly+1))
	if err != nil {
		return timedOut(ctx, err)
	}
	c.Message(conn, typ, b)
	return nil
}

// timedOut returns ConnectTimeout in place of err when that is why a read ended.
func timedOut(ctx context.Context, err error) error {
	if errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// Message takes the commands of a message. It waits while too many are not carried
// out, so that no more is read.
func (c *client) Message(_ *websocket.Conn, typ websocket.MessageType, p []byte) {
	c.handler.Observer.Received(len(p))
	if typ != c.codec.messageType() {
		c.end(UnsupportedData)
		return
	}
	c.receive(c.ctx, p)
}

// Closed ends the session. It does not wait for that, for a loop waits here.
func (c *client) Closed(_ *websocket.Conn, err error) { go c.finish(left(err)) }

// left tells a client that said goodbye from one that has lost its connection.
func left(err error) error {
	closed, ok := errors.AsType[*websocket.CloseError](err)
	if ok && closed.Remote && (closed.Code == websocket.CloseNormal || closed.Code == websocket.CloseGoingAway) {
		return session.ErrLeft
	}
	return err
}

// finish ends the session for what the connection has ended with, or the other way
// round.
func (c *client) finish(err error) {
	cause := c.lost(err)
	conn := c.socket.conn
	c.handler.blocked.Delete(conn)
	c.handler.Log.Debug("connection ended", "remote", conn.RemoteAddr(), "cause", cause)
	c.handler.Observer.Closed(uint16(closeCode(context.Cause(conn.Context()))))
	if c.ended != nil {
		close(c.ended)
	}
	c.handler.connections.Done()
}
