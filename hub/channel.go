package hub

import (
	"context"
	"sync"
	"time"
)

// abandonTime bounds the call that ends the broker's subscription after all
// subscribers were lost.
const abandonTime = 10 * time.Second

// A channel is the list of subscribers of one name. It is the broker's Sink.
//
// Subscribers are called by one goroutine at a time: that which calls Deliver or Change, or,
// in the state repairing, that of the repair.
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

	// calls is held around Deliver, Moved and Change, for who keeps presence may not be the broker. It is
	// taken before mu.
	calls sync.Mutex

	mu sync.Mutex
	follower
	list   subscribers
	tail   tail
	repair *repair // nil unless repairing
	reads  *reads  // nil until history is read
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
	for !ch.open {
		pos, err := ch.hub.broker.Subscribe(ctx, ch.name, ch)
		if err != nil {
			ch.forget()
			return Position{}, err
		}
		if ch.open = ch.start(pos); ch.open {
			break
		}
		ch.forget()
		if err := ch.hub.broker.Unsubscribe(ctx, ch.name); err != nil {
			return Position{}, err
		}
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

// start follows the log of a channel that was just opened. It reports false if the log began another life
// meanwhile: which of the two is the later one cannot be told.
func (ch *channel) start(pos Position) bool {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if !ch.begin(pos) {
		return false
	}
	ch.resetTail()
	return true
}

// forget closes a channel that has no subscribers and waits for its repair to end.
// No repair begins without subscribers.
func (ch *channel) forget() {
	ch.mu.Lock()
	r := ch.repair
	ch.mu.Unlock()
	if r != nil {
		r.cancel()
		<-r.done
	}
	ch.mu.Lock()
	defer ch.mu.Unlock()
	ch.follower = follower{}
	ch.resetTail()
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

// Deliver hands p to everyone who has joined before it, if it continues the log.
func (ch *channel) Deliver(p *Publication) {
	ch.calls.Lock()
	defer ch.calls.Unlock()
	if ch.hold(held{publication: p}) {
		return
	}
	if ch.take(p) == gap {
		ch.mend(p)
	}
}

// Moved lets all subscribers go if pos is of another life of the log.
func (ch *channel) Moved(pos Position) {
	ch.calls.Lock()
	defer ch.calls.Unlock()
	if !ch.hold(held{moved: pos}) {
		ch.move(pos)
	}
}

// Change hands c to everyone who is subscribed.
func (ch *channel) Change(c *PresenceChange) {
	ch.calls.Lock()
	defer ch.calls.Unlock()
	if !ch.hold(held{change: c}) {
		ch.tell(c)
	}
}

// take does what the log's continuity asks for, and nothing at a gap. Those who
// join later are told p's position, so that each publication is either before it or
// delivered.
func (ch *channel) take(p *Publication) verdict {
	ch.mu.Lock()
	v := ch.judge(p)
	switch v {
	case early:
		ch.last = p.Position
	case next:
		ch.last = p.Position
		ch.keep(p)
		subs := ch.list.lend()
		ch.mu.Unlock()
		for _, s := range subs {
			s.Deliver(p)
		}
		ch.hub.tails.shrink()
		return v
	}
	ch.mu.Unlock()
	if v == stranger {
		ch.lose(p.Position, ErrEpoch)
	}
	return v
}

// move does what Moved promises.
func (ch *channel) move(pos Position) {
	ch.mu.Lock()
	another, early := ch.last.Epoch != pos.Epoch, ch.state == closed
	if another && early {
		ch.last = pos
	}
	ch.mu.Unlock()
	if another && !early {
		ch.lose(pos, ErrEpoch)
	}
}

func (ch *channel) tell(c *PresenceChange) {
	ch.mu.Lock()
	subs := ch.list.lend()
	ch.mu.Unlock()
	for _, s := range subs {
		s.Change(c)
	}
}

// lose lets all subscribers go and follows the log from pos on.
func (ch *channel) lose(pos Position, cause error) {
	ch.mu.Lock()
	if ch.state != closed {
		ch.last = pos
		ch.resetTail()
	}
	subs := ch.list.clear()
	ch.mu.Unlock()
	for _, s := range subs {
		s.Lost(cause)
	}
	if len(subs) == 0 {
		return
	}
	ch.hub.counts.lost.Add(uint64(len(subs)))
	go ch.abandon(len(subs)) // the broker is not called from its own call
}

// abandon does for n lost subscribers what Unsubscribe does for one.
func (ch *channel) abandon(n int) {
	ctx, cancel := context.WithTimeout(context.Background(), abandonTime)
	defer cancel()
	defer ch.hub.release(ch, n)
	_ = ch.closeIfEmpty(ctx) // the next one to join subscribes anew
}
