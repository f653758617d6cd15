package native

import (
	"context"
	"errors"
	"time"

	"github.com/seed-15847954/ropewalk/hub"
	"github.com/seed-15847954/ropewalk/session"
	"github.com/seed-15847954/ropewalk/websocket"
)

// farewellTime bounds the sending of a disconnect push.
const farewellTime = time.Second

// A transport is the session.Transport of a WebSocket connection.
type transport struct {
	conn     *websocket.Conn
	observer Observer
}

func (t *transport) Send(messages []hub.Packet) error {
	for _, m := range messages {
		m := m.(packet)
		if err := t.conn.Write(context.Background(), websocket.Text, m); err != nil {
			return err
		}
		t.observer.Sent(len(m))
	}
	return nil
}

// Close sends the disconnect push and the Close frame of the same code. To a slow
// consumer the push is not sent, for it would wait behind what is stuck.
func (t *transport) Close(cause error) {
	d, ok := disconnect(cause)
	if !ok {
		_ = t.conn.CloseNow()
		return
	}
	if !errors.Is(cause, session.ErrSlowConsumer) {
		ctx, cancel := context.WithTimeout(context.Background(), farewellTime)
		defer cancel()
		push := disconnectPush(d)
		if t.conn.Write(ctx, websocket.Text, push) == nil {
			t.observer.Sent(len(push))
		}
	}
	_ = t.conn.Close(d.Code, d.Reason) // the connection has ended whatever it says
}

func (t *transport) Abort() { _ = t.conn.CloseNow() }

// closeCode returns the code that conn, which has ended, ended with.
func closeCode(conn *websocket.Conn) websocket.CloseCode {
	var closed *websocket.CloseError
	if errors.As(context.Cause(conn.Context()), &closed) {
		return closed.Code
	}
	return websocket.CloseAbnormal
}
