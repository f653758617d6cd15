package websocket

import (
	"context"
	"encoding/binary"
	"sync"
	"time"

	"github.com/seed-15847954/ropewalk/websocket/frame"
)

// Ping sends a Ping and waits for its Pong (RFC 6455, sections 5.5.2 and 5.5.3).
// It returns the time between. Somebody must be reading meanwhile. A Pong for a
// later Ping counts too, for a peer may answer only the latest.
func (c *Conn) Ping(ctx context.Context) (time.Duration, error) {
	if err := c.err(); err != nil {
		return 0, err
	}
	if c.pings.Load() == nil {
		c.pings.CompareAndSwap(nil, new(pings))
	}
	waiting := c.pings.Load()
	id, pong := waiting.add()
	defer waiting.remove(id)
	start := time.Now()
	if err := c.sendPing(ctx, id); err != nil {
		return 0, err
	}
	select {
	case at := <-pong:
		return at.Sub(start), nil
	case <-ctx.Done():
		return 0, c.gaveUp(ctx)
	case <-c.Context().Done():
		return 0, c.err()
	}
}

func (c *Conn) sendPing(ctx context.Context, id uint64) error {
	if err := c.turn(ctx); err != nil {
		return err
	}
	buf := getBuffer()
	b, control := c.appendControl(buf.b)
	b, err := c.out.enc.AppendControl(b, frame.Ping, binary.BigEndian.AppendUint64(nil, id))
	if err != nil {
		c.transmitAside(buf, b[:control], list{})
		return c.sendError(err)
	}
	return c.transmit(ctx, buf, b, control, list{})
}

// pings are the calls of Ping that wait for a Pong, by the number that their
// payload carries.
type pings struct {
	mu      sync.Mutex
	last    uint64
	waiting map[uint64]chan<- time.Time
}

func (p *pings) add() (uint64, <-chan time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last++
	if p.waiting == nil {
		p.waiting = make(map[uint64]chan<- time.Time)
	}
	pong := make(chan time.Time, 1)
	p.waiting[p.last] = pong
	return p.last, pong
}

func (p *pings) remove(id uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.waiting, id)
}

// answered takes the payload of a Pong. 5.5.3: one that nobody asked for means
// nothing.
func (p *pings) answered(payload []byte) {
	if len(payload) != 8 {
		return
	}
	id := binary.BigEndian.Uint64(payload)
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.waiting[id]; !ok {
		return
	}
	for other, pong := range p.waiting {
		if other <= id {
			pong <- now
			delete(p.waiting, other)
		}
	}
}
