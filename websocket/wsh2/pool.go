package wsh2

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/seed-15847954/ropewalk/websocket"
)

// A dialing is a connection that is being opened, on behalf of all that wait.
type dialing struct {
	ctx     context.Context
	cancel  context.CancelFunc
	waiting int           // guarded by Transport.mu
	done    chan struct{} // closed when conn and err are set
	conn    *conn
	err     error
}

var errNoRoom = errors.New("wsh2: the server allows no streams")

// declineTime is for how long a server without HTTP/2 is not asked again, and
// maxDeclined how many such servers are remembered.
const (
	declineTime = time.Minute
	maxDeclined = 1000
)

// noExtendedConnect is the error for a server that cannot take the request.
func noExtendedConnect(why string) error {
	return fmt.Errorf("wsh2: %w: %s", websocket.ErrNoExtendedConnect, why)
}

// reserve returns a connection with room for one more stream, which is counted
// already. It waits for one to be opened if there is none.
func (t *Transport) reserve(ctx context.Context, to target) (*conn, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for lost := 0; ; {
		if err := t.usable(ctx, to); err != nil {
			return nil, err
		}
		p := t.pool(to)
		declined := false
		for _, c := range p.conns {
			switch c.reserve() {
			case taken:
				return c, nil
			case declines:
				declined = true
			}
		}
		if declined {
			return nil, noExtendedConnect("its SETTINGS do not say so")
		}
		d := t.dialing(p, to)
		if err := t.await(ctx, d, p); err != nil {
			if t.closed {
				err = ErrClosed
			}
			return nil, err
		}
		switch d.conn.reserve() {
		case taken:
			return d.conn, nil
		case full: // others were faster
			if d.conn.maxStreams() == 0 {
				return nil, errNoRoom
			}
		case gone:
			if err := d.conn.failure(); err != nil {
				return nil, err
			}
			if lost++; lost == maxAttempts {
				return nil, errNotProcessed
			}
		}
	}
}

// usable says why nobody can be connected to. The caller holds mu.
func (t *Transport) usable(ctx context.Context, to target) error {
	if t.closed {
		return ErrClosed
	}
	if at, ok := t.without[to]; ok {
		if time.Since(at) < declineTime {
			return noExtendedConnect("it has not spoken HTTP/2 a moment ago")
		}
		delete(t.without, to)
	}
	return ctx.Err()
}

// pool returns the pool of a target. The caller holds mu.
func (t *Transport) pool(to target) *pool {
	p := t.pools[to]
	if p == nil {
		p = &pool{}
		if t.pools == nil {
			t.pools = make(map[target]*pool)
		}
		t.pools[to] = p
	}
	return p
}

// dialing returns the connection that is being opened. The caller holds mu.
func (t *Transport) dialing(p *pool, to target) *dialing {
	if p.dialing != nil {
		return p.dialing
	}
	d := &dialing{done: make(chan struct{})}
	if timeout := orDefault(t.DialTimeout, 30*time.Second); timeout > 0 {
		d.ctx, d.cancel = context.WithTimeout(context.Background(), timeout)
	} else {
		d.ctx, d.cancel = context.WithCancel(context.Background())
	}
	p.dialing = d
	t.running.Go(func() { t.dial(d, to) })
	return d
}

// dial opens the connection that d stands for, and serves it to its end.
func (t *Transport) dial(d *dialing, to target) {
	c, err := t.open(d.ctx, to)
	t.mu.Lock()
	if err == nil && t.closed {
		err = ErrClosed
	}
	p := t.pool(to)
	switch {
	case err == nil:
		p.conns = append(p.conns, c)
	case errors.Is(err, websocket.ErrNoExtendedConnect):
		t.remember(to)
	}
	d.conn, d.err = c, err
	if p.dialing == d {
		p.dialing = nil
	}
	t.drop(p, to)
	t.mu.Unlock()
	d.cancel()
	close(d.done)
	if c == nil {
		return
	}
	if err != nil {
		c.shut(err)
	}
	c.rest()
	<-c.done
	t.forget(c, to)
}

// remember notes that a server is without HTTP/2. The caller holds mu.
func (t *Transport) remember(to target) {
	if t.without == nil || len(t.without) >= maxDeclined {
		t.without = make(map[target]time.Time)
	}
	t.without[to] = time.Now()
}

// await waits for d, without mu. A dialing that nobody waits for is given up.
func (t *Transport) await(ctx context.Context, d *dialing, p *pool) error {
	d.waiting++
	t.mu.Unlock()
	select {
	case <-d.done:
	case <-ctx.Done():
	}
	t.mu.Lock()
	d.waiting--
	select {
	case <-d.done:
		return d.err
	default:
	}
	if d.waiting == 0 {
		d.cancel()
		if p.dialing == d {
			p.dialing = nil // the next to come starts anew
		}
	}
	return ctx.Err()
}

// forget takes a connection that has ended out of its pool.
func (t *Transport) forget(c *conn, to target) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.pool(to)
	p.conns = slices.DeleteFunc(p.conns, func(other *conn) bool { return other == c })
	t.drop(p, to)
}

// drop removes a pool that holds nothing. The caller holds mu.
func (t *Transport) drop(p *pool, to target) {
	if len(p.conns) == 0 && p.dialing == nil {
		delete(t.pools, to)
	}
}

// open opens a connection and waits for the server's SETTINGS.
func (t *Transport) open(ctx context.Context, to target) (*conn, error) {
	dial := t.DialContext
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	stream, err := dial(ctx, "tcp", to.address)
	if err != nil {
		return nil, fmt.Errorf("wsh2: %w", err)
	}
	if to.secure {
		if stream, err = t.startTLS(ctx, stream, to); err != nil {
			return nil, err
		}
	}
	c := newConn(t, stream)
	t.running.Go(c.readFrames)
	t.running.Go(c.writeFrames)
	select {
	case <-c.ready:
		return c, nil
	case <-c.done:
	case <-ctx.Done():
		c.shut(ctx.Err())
		<-c.done
	}
	return nil, c.openError(to)
}
