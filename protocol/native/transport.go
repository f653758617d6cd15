package native

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/seed-15847954/ropewalk/hub"
	"github.com/seed-15847954/ropewalk/session"
	"github.com/seed-15847954/ropewalk/websocket"
)

const (
	// farewellTime bounds the sending of a disconnect push.
	farewellTime = time.Second

	// maxConnQueue is the most that a connection takes before the session's own queue,
	// with its policies, has to wait, in bytes.
	maxConnQueue = 64 << 10
)

// A transport is the session.Transport of a WebSocket connection.
type transport struct {
	conn     *websocket.Conn
	codec    codec
	observer Observer
	talk     *conversation

	// blocked holds the transports of the handler that have refused a packet, by
	// their connection, until there is room again.
	blocked *sync.Map
}

// drained tells the session of a connection that has refused a packet.
func drained(blocked *sync.Map, conn *websocket.Conn) {
	if t, ok := blocked.LoadAndDelete(conn); ok {
		t.(*transport).talk.ready()
	}
}

// Send hands p to the connection's queue. An error of the connection is its end, which
// whoever reads from it tells: what is sent from then on goes nowhere.
func (t *transport) Send(p hub.Packet) bool {
	err := p.(*packet).send(t.conn)
	if errors.Is(err, websocket.ErrQueueFull) {
		t.blocked.Store(t.conn, t)
		if t.conn.Buffered() == 0 { // there was room again before the line above
			drained(t.blocked, t.conn)
		}
		return false
	}
	if err == nil {
		t.observer.Sent(p.Size())
	}
	return true
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
		push := t.codec.disconnect(d, advice(d, cause)).(*packet)
		if t.conn.Write(ctx, push.typ, push.bytes) == nil {
			t.observer.Sent(push.Size())
		}
	}
	_ = t.conn.Close(d.Code, d.Reason) // the connection has ended whatever it says
}

func (t *transport) Abort() { _ = t.conn.CloseNow() }

// closeCode returns the code that a connection which ended with err had.
func closeCode(err error) websocket.CloseCode {
	if closed, ok := errors.AsType[*websocket.CloseError](err); ok {
		return closed.Code
	}
	return websocket.CloseAbnormal
}
