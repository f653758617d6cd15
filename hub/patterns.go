package hub

import (
	"context"
	"fmt"
	"sync"
)

// patterns holds the subscribers of patterns. They share one subscription of the
// broker for each pattern.
type patterns struct {
	mu   sync.Mutex
	open map[Pattern]*feed
}

// A feed is the list of subscribers of one pattern. It is the broker's Sink,
// called at once for different channels.
type feed struct {
	pattern Pattern

	users int // guarded by patterns.mu, as that of a channel by its shard's

	switching gate
	open      bool // guarded by switching

	mu   sync.Mutex
	list subscribers
}

// SubscribePattern has the later publications of every channel that matches p
// delivered to s, each channel's in its order, from about when it returns. It
// blocks while the broker is asked. Neither positions nor continuity are
// promised: s.Lost is never called.
//
// The error is [ErrNoPatterns], [ErrAlreadySubscribed], the context's or the broker's.
func (h *Hub) SubscribePattern(ctx context.Context, p Pattern, s Subscriber) error {
	broker, ok := h.broker.(PatternBroker)
	if !ok {
		return fmt.Errorf("subscribe to pattern %q: %w", p, ErrNoPatterns)
	}
	f := h.patterns.hold(p)
	if err := f.join(ctx, broker, s); err != nil {
		h.patterns.release(f)
		return fmt.Errorf("subscribe to pattern %q: %w", p, err)
	}
	return nil
}

// UnsubscribePattern ends that. The error is [ErrNotSubscribed], or the context's or
// the broker's when the broker could not be told that nobody listens any more; s
// is then removed all the same.
func (h *Hub) UnsubscribePattern(ctx context.Context, p Pattern, s Subscriber) error {
	f := h.patterns.find(p)
	if f == nil || !f.remove(s) {
		return fmt.Errorf("unsubscribe from pattern %q: %w", p, ErrNotSubscribed)
	}
	defer h.patterns.release(f)
	if err := f.closeIfEmpty(ctx, h.broker.(PatternBroker)); err != nil {
		return fmt.Errorf("unsubscribe from pattern %q: %w", p, err)
	}
	return nil
}

func (ps *patterns) size() int {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	return len(ps.open)
}

func (ps *patterns) find(p Pattern) *feed {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	return ps.open[p]
}

func (ps *patterns) hold(p Pattern) *feed {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	f := ps.open[p]
	if f == nil {
		f = &feed{pattern: p, switching: newGate()}
		if ps.open == nil {
			ps.open = make(map[Pattern]*feed)
		}
		ps.open[p] = f
	}
	f.users++
	return f
}

func (ps *patterns) release(f *feed) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	f.users--
	if f.users == 0 {
		delete(ps.open, f.pattern)
	}
}

func (f *feed) join(ctx context.Context, broker PatternBroker, s Subscriber) error {
	if err := f.switching.lock(ctx); err != nil {
		return err
	}
	defer f.switching.unlock()
	if !f.open {
		if err := broker.SubscribePattern(ctx, f.pattern, f); err != nil {
			return err
		}
		f.open = true
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.list.add(s) {
		return ErrAlreadySubscribed
	}
	return nil
}

func (f *feed) remove(s Subscriber) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.list.remove(s)
}

func (f *feed) empty() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.list.subs) == 0
}

func (f *feed) closeIfEmpty(ctx context.Context, broker PatternBroker) error {
	if !f.empty() {
		return nil
	}
	if err := f.switching.lock(ctx); err != nil {
		return err
	}
	defer f.switching.unlock()
	if !f.open || !f.empty() {
		return nil
	}
	f.open = false
	return broker.UnsubscribePattern(ctx, f.pattern)
}

// Deliver hands what p says to everyone who is subscribed. They share its encodings among
// themselves: p may be kept in history, and clients choose how many patterns match it.
func (f *feed) Deliver(p *Publication) {
	own := &Publication{Message: p.Message, Position: p.Position, Prev: p.Prev, Time: p.Time}
	for _, s := range f.lend() {
		s.Deliver(own)
	}
}

// Moved does nothing: what matches a pattern has no position.
func (*feed) Moved(Position) {}

// Change hands c to everyone who is subscribed.
func (f *feed) Change(c *PresenceChange) {
	for _, s := range f.lend() {
		s.Change(c)
	}
}

func (f *feed) lend() []Subscriber {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.list.lend()
}
