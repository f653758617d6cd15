package websocket

import (
	"sync"

	"github.com/seed-15847954/ropewalk/websocket/internal/protocol"
)

// A receiving is what it takes to decode what comes. A connection that waits in a loop,
// or on a socket, has one only while something has come in part. So whoever calls
// Conn.fill must not use a pointer into the one from before.
type receiving struct {
	in    protocol.Receiver
	input input
	msg   incoming
}

var receivings = sync.Pool{New: func() any { return new(receiving) }}

// startReceiving gives c a receiving, to succeed one that had seen flood.
func (c *Conn) startReceiving(flood protocol.Flood) {
	c.receiving = receivings.Get().(*receiving)
	c.in.Init(c.role == Server, c.compressed, c.cfg.limits.receiver(), flood)
}

// stopReceiving takes it away if nothing has come in part, and returns the flood for
// its successor. The input is used up.
func (c *Conn) stopReceiving() protocol.Flood {
	if !c.in.Between() || c.msg.active {
		return protocol.Flood{}
	}
	flood := c.in.Flood()
	c.input, c.msg = input{}, incoming{}
	receivings.Put(c.receiving)
	c.receiving = nil
	return flood
}
