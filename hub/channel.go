package hub

import (
	"context"
	"sync"
)

// A channel is the list of subscribers of one name. It is the broker's Sink.
type channel struct {
	// Constant after newChannel.
	hub     *Hub
	name    string
	options *Options

	// Guarded by the shard's lock: subscribers, and callers who are about to add
	// or have just removed one or read history.
	users int

	// switching is held around the calls that begin and end the broker's subscription.
	switching gate
	open      bool // guarded by switching: the broker delivers to this channel

	mu   sync.Mutex
	last Position // of the last publication; its epoch is empty while not open
	list subscribers
}

func newChannel(h *Hub, name string) *channel {
	return &channel{hub: h, name: name, options: h.Options(name), switching: newGate()}
}

// join adds s and returns the position it joined at. The first one to join begins
// the broker's subscription, which the others wait for.
func (ch *channel) join(ctx context.Context, s Subscriber) (Position, error) {
	if err := ch.switching.lock(ctx); err != nil {
		return Position{}, err
	}
	defer ch.switching.unlock()
	if !ch.open {
		pos, err := ch.hub.broker.Subscribe(ctx, ch.name, ch)
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
func (ch *channel) closeIfEmpty(ctx context.Context) error {
	if ch.size() > 0 {
		return nil
	}
	if err := ch.switching.lock(ctx); err != nil {
		return err
	}
	defer ch.switching.unlock()
	if !ch.open || ch.size() > 0 {
		return nil
	}
	// Also after an error: the next one to join subscribes anew.
	ch.open = false
	defer ch.forget()
	return ch.hub.broker.Unsubscribe(ctx, ch.name)
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
	if m := ch.options.MaxSubscribers; m > 0 && len(ch.list.subs) >= m && ch.list.find(s) < 0 {
		return Position{}, ErrTooManySubscribers
	}
	if !ch.list.add(s) {
		return Position{}, ErrAlreadySubscribed
	}
	return ch.last, nil
}

// remove takes s out of the list and reports whether it was there.
func (ch *channel) remove(s Subscriber) bool {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	return ch.list.remove(s)
}

func (ch *channel) size() int {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	return len(ch.list.subs)
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
	subs := ch.list.lend()
	ch.mu.Unlock()

	for _, s := range subs {
		s.Deliver(p)
	}
}

// Change hands c to everyone who is subscribed.
func (ch *channel) Change(c *PresenceChange) {
	ch.mu.Lock()
	subs := ch.list.lend()
	ch.mu.Unlock()

	for _, s := range subs {
		s.Change(c)
	}
}
