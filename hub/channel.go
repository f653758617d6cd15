package hub

import (
	"context"
	"slices"
	"sync"
)

// A channel is the list of subscribers of one name. It is the broker's Sink.
type channel struct {
	name string

	// Guarded by the shard's lock: subscribers, and callers who are about to add
	// or have just removed one.
	users int

	// switching is a lock that a context can give up on. It is held around the
	// calls that begin and end the broker's subscription.
	switching chan struct{}
	open      bool // guarded by switching: the broker delivers to this channel

	mu    sync.Mutex
	last  Position // of the last publication; its epoch is empty while not open
	index map[Subscriber]int
	subs  []Subscriber

	// lent says that a broadcast may be walking the array of subs. Appending to
	// it is harmless, for the walk ends at its own length; a removal copies first.
	lent bool
}

func newChannel(name string) *channel {
	return &channel{
		name:      name,
		switching: make(chan struct{}, 1),
		index:     make(map[Subscriber]int),
	}
}

// lock takes switching or gives up with the context.
func (ch *channel) lock(ctx context.Context) error {
	select {
	case ch.switching <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (ch *channel) unlock() { <-ch.switching }

// join adds s and returns the position it joined at. The first one to join begins
// the broker's subscription, which the others wait for.
func (ch *channel) join(ctx context.Context, broker Broker, s Subscriber) (Position, error) {
	if err := ch.lock(ctx); err != nil {
		return Position{}, err
	}
	defer ch.unlock()
	if !ch.open {
		pos, err := broker.Subscribe(ctx, ch.name, ch)
		if err != nil {
			ch.forget()
			return Position{}, err
		}
		ch.begin(pos)
		ch.open = true
	}
	return ch.add(s)
}

// closeIfEmpty ends the broker's subscription when nobody is subscribed.
func (ch *channel) closeIfEmpty(ctx context.Context, broker Broker) error {
	if ch.size() > 0 {
		return nil
	}
	if err := ch.lock(ctx); err != nil {
		return err
	}
	defer ch.unlock()
	if !ch.open || ch.size() > 0 {
		return nil
	}
	// Also after an error: the next one to join subscribes anew.
	ch.open = false
	defer ch.forget()
	return broker.Unsubscribe(ctx, ch.name)
}

// begin sets the position of a channel that was just opened. When publications
// came first, theirs is where the next subscriber joins.
func (ch *channel) begin(pos Position) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if ch.last.Epoch == "" {
		ch.last = pos
	}
}

func (ch *channel) forget() {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	ch.last = Position{}
}

func (ch *channel) add(s Subscriber) (Position, error) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if _, ok := ch.index[s]; ok {
		return Position{}, ErrAlreadySubscribed
	}
	ch.index[s] = len(ch.subs)
	ch.subs = append(ch.subs, s)
	return ch.last, nil
}

// remove takes s out of the list and reports whether it was there.
func (ch *channel) remove(s Subscriber) bool {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	i, ok := ch.index[s]
	if !ok {
		return false
	}
	if ch.lent {
		ch.subs = slices.Clone(ch.subs)
		ch.lent = false
	}
	end := len(ch.subs) - 1
	ch.subs[i] = ch.subs[end]
	ch.index[ch.subs[i]] = i
	ch.subs[end] = nil
	ch.subs = ch.subs[:end]
	delete(ch.index, s)
	return true
}

func (ch *channel) size() int {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	return len(ch.subs)
}

// Deliver hands p to everyone who has joined before it. Those who join later
// are told p's position, so that each publication is either before it or delivered.
func (ch *channel) Deliver(p *Publication) {
	ch.mu.Lock()
	if p.Epoch == ch.last.Epoch && p.Offset <= ch.last.Offset {
		// From before the position that the broker's subscription began at.
		ch.mu.Unlock()
		return
	}
	ch.last = p.Position
	subs := ch.subs
	ch.lent = true
	ch.mu.Unlock()

	for _, s := range subs {
		s.Deliver(p)
	}
}

// Change hands c to everyone who is subscribed.
func (ch *channel) Change(c *PresenceChange) {
	ch.mu.Lock()
	subs := ch.subs
	ch.lent = true
	ch.mu.Unlock()

	for _, s := range subs {
		s.Change(c)
	}
}
