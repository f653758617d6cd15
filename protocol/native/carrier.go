package native

import (
	"errors"
	"sync"
	"time"

	"github.com/seed-15847954/ropewalk/hub"
	"github.com/seed-15847954/ropewalk/session"
	"github.com/seed-15847954/ropewalk/websocket"
)

// A carrier is a session.Transport from which requests over HTTP take along what is sent.
// That waits in it, bounded as in the queue of a WebSocket.
type carrier struct {
	// Constant after newCarrier.
	room     int // bytes that may wait; one packet may have more
	farewell func(Disconnect, time.Duration) hub.Packet
	news     chan struct{} // has an element when there may be something to take along
	gone     chan struct{} // closed by Abort

	mu      sync.Mutex
	packets []hub.Packet
	bytes   int
	full    bool // a packet was refused
	over    bool // none comes any more
	aborted bool
	cut     func()              // of Abort; nil unless somebody writes
	code    websocket.CloseCode // that the connection ends with
}

func newCarrier(room int, farewell func(Disconnect, time.Duration) hub.Packet) *carrier {
	return &carrier{room: room, farewell: farewell, news: make(chan struct{}, 1), gone: make(chan struct{}), code: websocket.CloseAbnormal}
}

func (c *carrier) Send(p hub.Packet) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.over:
		return true // whoever reads learns of the end
	case c.bytes > 0 && c.bytes+p.Size() > c.room:
		c.full = true
		return false
	}
	c.push(p)
	return true
}

// push queues p. mu is held.
func (c *carrier) push(p hub.Packet) {
	c.packets = append(c.packets, p)
	c.bytes += p.Size()
	c.wake()
}

func (c *carrier) wake() {
	select {
	case c.news <- struct{}{}:
	default:
	}
}

// drain returns what waits, whether there was no room for more, and whether that is all
// there will be.
func (c *carrier) drain() (packets []hub.Packet, full, over bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	packets, full = c.packets, c.full
	c.packets, c.bytes, c.full = nil, 0, false
	return packets, full, c.over
}

// Close queues the disconnect push, and waits a little for it to be taken along. A slow
// consumer gets it in place of all that waits.
func (c *carrier) Close(cause error) {
	d, ok := disconnect(cause)
	c.mu.Lock()
	if ok {
		c.code = d.Code
		if errors.Is(cause, session.ErrSlowConsumer) {
			c.packets = nil
		}
		c.push(c.farewell(d, advice(d, cause)))
	}
	c.over = true
	c.wake()
	c.mu.Unlock()
	if ok {
		patience := time.NewTimer(farewellTime)
		defer patience.Stop()
		select {
		case <-c.gone:
		case <-patience.C:
		}
	}
	c.Abort()
}

// Abort ends the connection.
func (c *carrier) Abort() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
	if !c.aborted {
		c.aborted = true
		close(c.gone)
		if c.cut != nil {
			c.cut()
		}
	}
}

func (c *carrier) isAborted() bool {
	select {
	case <-c.gone:
		return true
	default:
		return false
	}
}

// onAbort has Abort call cut, which does not block; with nil no more.
func (c *carrier) onAbort(cut func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = cut
}

// closeCode returns the code that the connection has ended with.
func (c *carrier) closeCode() uint16 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return uint16(c.code)
}
