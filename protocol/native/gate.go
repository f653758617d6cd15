package native

import (
	"sync/atomic"

	"github.com/seed-15847954/ropewalk/hub"
	"github.com/seed-15847954/ropewalk/session"
)

// A gate is a transport that has no room before the reply to connect was sent, so
// that this is the first thing that a client hears.
type gate struct {
	session.Transport
	opened atomic.Bool
}

// open sends the reply to connect. Its caller then tells the session that there is room.
func (g *gate) open(first hub.Packet) {
	g.Transport.Send(first) // the first packet of all has room
	g.opened.Store(true)
}

// Send is that of the transport, once the gate is open.
func (g *gate) Send(p hub.Packet) bool {
	return g.opened.Load() && g.Transport.Send(p)
}
