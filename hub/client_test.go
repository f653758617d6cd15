package hub_test

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/seed-15847954/ropewalk/hub"
)

// A client is what a session is to the hub, in short: it joins, reads what it has
// missed, hands on what was held, goes live, and remembers its position for the
// next time. It checks what it is told: the invariants are those of the
// document on delivery.
type client struct {
	name    string
	hub     *hub.Hub
	channel string
	facts   *facts
	pause   func(label string) // where others may come first

	// reaches reports whether everything behind a position is kept. It may be nil.
	reaches func(channel string, from hub.Position) bool

	mu   sync.Mutex
	stay *presence     // the present subscription, or nil
	last *hub.Position // that the client knows
}

// facts are what all clients must agree on.
type facts struct {
	mu       sync.Mutex
	payloads map[hub.Position]string
	broken   []string

	recovered, declared, lost int
}

func (f *facts) fail(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.broken = append(f.broken, fmt.Sprintf(format, args...))
}

// A presence is one subscription. Its phases are those of a session's.
type presence struct {
	client *client
	live   bool
	held   []*hub.Publication
	gone   error
}

func (s *presence) Deliver(p *hub.Publication) {
	c := s.client
	c.pause(c.name + " gets " + string(p.Data))
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.stay != s:
	case s.live:
		c.take(p)
	default:
		s.held = append(s.held, p)
	}
}

func (*presence) Change(*hub.PresenceChange) {}

func (s *presence) Lost(cause error) {
	c := s.client
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stay != s {
		return
	}
	if cause == nil || !errors.Is(cause, hub.ErrGap) && !errors.Is(cause, hub.ErrEpoch) {
		c.facts.fail("%s is lost since %v", c.name, cause)
	}
	s.gone = cause
	c.stay = nil
	c.facts.mu.Lock()
	c.facts.lost++
	c.facts.mu.Unlock()
}

// take checks p against the position and moves it. mu is held.
func (c *client) take(p *hub.Publication) {
	if p.Epoch != c.last.Epoch || p.Prev != c.last.Offset || p.Offset <= p.Prev {
		c.facts.fail("%s at %v got offset %d, prev %d of %s", c.name, *c.last, p.Offset, p.Prev, p.Epoch) // I1, I2, I3
	}
	c.facts.mu.Lock()
	if first, ok := c.facts.payloads[p.Position]; ok && first != string(p.Data) {
		c.facts.broken = append(c.facts.broken, fmt.Sprintf("%s got %q at %v, another one %q", c.name, p.Data, p.Position, first)) // I4
	}
	c.facts.payloads[p.Position] = string(p.Data)
	c.facts.mu.Unlock()
	pos := p.Position
	c.last = &pos
}

// join subscribes and recovers from the position that the client knows.
func (c *client) join(ctx context.Context) error {
	s := &presence{client: c}
	c.mu.Lock()
	c.stay = s
	from := c.last
	c.mu.Unlock()
	pos, err := c.hub.Subscribe(ctx, c.channel, s)
	if err != nil {
		c.drop(s)
		return err
	}
	missed, err := c.missed(ctx, from, pos)
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.gone != nil || c.stay != s {
		return s.gone
	}
	if err != nil {
		// What is subscribed is left by the caller.
		return err
	}
	if from == nil || missed == nil {
		c.last = &pos
	}
	for _, p := range missed {
		c.take(p)
	}
	for _, p := range s.held {
		c.take(p)
	}
	s.held, s.live = nil, true
	return nil
}

// missed returns what lies between the two positions, nil when it cannot be had.
func (c *client) missed(ctx context.Context, from *hub.Position, pos hub.Position) ([]*hub.Publication, error) {
	if from == nil {
		return nil, nil
	}
	ps, err := c.hub.Recover(ctx, c.channel, *from, pos, 1000)
	switch {
	case err == nil && len(ps) == 0:
		return []*hub.Publication{}, c.check(*from, pos)
	case err == nil:
		return ps, c.check(ps[len(ps)-1].Position, pos)
	case errors.Is(err, hub.ErrEpoch), errors.Is(err, hub.ErrTrimmed), errors.Is(err, hub.ErrNoHistory):
		c.facts.mu.Lock()
		c.facts.declared++
		c.facts.mu.Unlock()
		if c.reaches != nil && c.reaches(c.channel, *from) {
			c.facts.fail("%s at %v is told %v, and all behind it is kept", c.name, *from, err)
		}
		return nil, nil
	}
	return nil, err
}

// check reports a recovery that does not reach the place where the client has joined.
func (c *client) check(reached, pos hub.Position) error {
	if reached != pos {
		c.facts.fail("%s has recovered to %v, and joined at %v", c.name, reached, pos)
	}
	c.facts.mu.Lock()
	c.facts.recovered++
	c.facts.mu.Unlock()
	return nil
}

// drop forgets s as the present subscription and reports whether it was.
func (c *client) drop(s *presence) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s == nil || c.stay != s {
		return false
	}
	c.stay = nil
	return true
}

func (c *client) present() *presence {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stay
}

// leave unsubscribes; the position stays.
func (c *client) leave(ctx context.Context) {
	s := c.present()
	if s == nil {
		return
	}
	c.drop(s)
	if err := c.hub.Unsubscribe(ctx, c.channel, s); err != nil && !errors.Is(err, hub.ErrNotSubscribed) && ctx.Err() == nil {
		c.facts.fail("%s: %v", c.name, err)
	}
}

// at returns the position that the client knows.
func (c *client) at() hub.Position {
	c.mu.Lock()
	defer c.mu.Unlock()
	return *c.last
}
