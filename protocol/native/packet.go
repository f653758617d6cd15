package native

import (
	"sync"
	"sync/atomic"

	"github.com/seed-15847954/ropewalk/websocket"
)

// A packet is one message to clients of a format.
type packet struct {
	bytes []byte
	typ   websocket.MessageType

	// shared says that many may get it. From the second one on it is worth preparing for
	// the WebSocket: many channels have one subscriber, and history keeps their packets.
	shared   bool
	sent     atomic.Bool
	once     sync.Once
	prepared *websocket.Prepared
}

// Size returns the length of the message.
func (p *packet) Size() int { return len(p.bytes) }

// send hands the packet to a connection, which does not block.
func (p *packet) send(conn *websocket.Conn) error {
	if !p.shared || p.isFirst() {
		return conn.Send(p.typ, p.bytes)
	}
	p.once.Do(func() { p.prepared, _ = websocket.Prepare(p.typ, p.bytes) })
	if p.prepared == nil { // text that is not UTF-8, which no broker should hand over
		return conn.Send(p.typ, p.bytes)
	}
	return conn.SendPrepared(p.prepared)
}

func text(b []byte) *packet   { return &packet{bytes: b, typ: websocket.Text} }
func binary(b []byte) *packet { return &packet{bytes: b, typ: websocket.Binary} }

func (p *packet) forMany() *packet {
	p.shared = true
	return p
}

// isFirst reports whether p was not sent before. (Most calls only read.)
func (p *packet) isFirst() bool { return !p.sent.Load() && !p.sent.Swap(true) }
