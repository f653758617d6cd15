package native

import (
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/seed-15847954/ropewalk/session"
	"github.com/seed-15847954/ropewalk/websocket"
)

// A client is one WebSocket and its conversation. It is the connection's
// EventHandler.
type client struct {
	*conversation
	handler *Handler
	socket  *transport
}

// serve reads the first message, and has the others handled as they come. The
// returned channel is closed when the connection and its session have ended.
func (h *Handler) serve(conn *websocket.Conn) <-chan struct{} {
	h.Observer.Opened()
	codec := codecFor(conn.Subprotocol())
	t := &transport{conn: conn, codec: codec, observer: h.Observer, blocked: &h.blocked}
	c := &client{conversation: newConversation(h, codec, t), handler: h, socket: t}
	ended := make(chan struct{})
	if err := c.greet(conn); err != nil {
		c.end(err, ended)
		return ended
	}
	conn.Handle(&events{c, ended})
	return ended
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
	if len(b) > maxEarly {
		return MessageTooBig
	}
	return c.message(conn, typ, b)
}

// timedOut returns ConnectTimeout in place of err when that is why a read ended.
func timedOut(ctx context.Context, err error) error {
	if errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func (c *client) message(conn *websocket.Conn, typ websocket.MessageType, b []byte) error {
	c.handler.Observer.Received(len(b))
	if typ != c.codec.messageType() {
		return UnsupportedData
	}
	// The broker is not waited for when the client has gone.
	return c.receive(conn.Context(), b)
}

// end ends the session for what the connection has ended with, or the other way
// round, and closes ended.
func (c *client) end(err error, ended chan<- struct{}) {
	h, s := c.handler, c.session
	if s == nil {
		c.socket.Close(err)
	} else {
		s.Close(left(err))
		<-s.Done()
		h.Sessions.Remove(s)
		err = s.Cause()
	}
	h.blocked.Delete(c.socket.conn)
	h.Log.Debug("connection ended", "remote", c.socket.conn.RemoteAddr(), "cause", err)
	h.Observer.Closed(uint16(closeCode(context.Cause(c.socket.conn.Context()))))
	close(ended)
}

// left tells a client that said goodbye from one that has lost its connection.
func left(err error) error {
	closed, ok := errors.AsType[*websocket.CloseError](err)
	if ok && (closed.Code == websocket.CloseNormal || closed.Code == websocket.CloseGoingAway) {
		return session.ErrLeft
	}
	return err
}

// events are what comes after the first message.
type events struct {
	client *client
	ended  chan<- struct{}
}

// Message carries out the commands of a message.
func (e *events) Message(conn *websocket.Conn, typ websocket.MessageType, p []byte) {
	if err := e.client.message(conn, typ, bytes.Clone(p)); err != nil {
		e.client.session.Close(err)
	}
}

// Closed ends the session. It does not wait for that, for a loop waits here.
func (e *events) Closed(_ *websocket.Conn, err error) {
	go e.client.end(err, e.ended)
}
