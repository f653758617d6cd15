package session

import (
	"context"
	"fmt"

	"github.com/seed-15847954/ropewalk/hub"
)

// A Target is what a subscription is to: a channel, or a pattern.
type Target struct {
	Channel string
	Pattern hub.Pattern // if Channel is empty
}

func (t Target) String() string {
	if t.Channel != "" {
		return fmt.Sprintf("%q", t.Channel)
	}
	return fmt.Sprintf("pattern %q", t.Pattern)
}

// A Request says what a client wants to subscribe to, and from where.
type Request struct {
	Target

	// From, unless nil, is the position to go on from. Otherwise the subscription
	// begins with the Latest publications of the history, or, if that is 0, now.
	From   *hub.Position
	Latest int

	// Joins has joins and leaves told, where the channel does that.
	Joins bool
}

// A phase is where a subscription is on its way. A client hears of its position
// first and of publications behind it afterwards, while the hub delivers from the
// moment of joining: what comes too early is held.
type phase uint8

const (
	joining phase = iota // the hub and the history are asked; publications are held
	live                 // publications go to the queue
	lagging              // publications are left to history; nothing of it is queued
	gone                 // publications are dropped
)

// A subscription is a session's place in one channel or pattern. It is the hub's
// Subscriber.
type subscription struct {
	// Constant after Subscribe.
	session *Session
	target  Target
	format  hub.Format
	policy  hub.Policy
	joins   bool

	// Guarded by Session.mu.
	phase     phase
	answered  bool // the client was told that it is subscribed
	restart   bool // while joining: what was held is not all that came
	entered   bool // in the channel's presence
	last      hub.Position
	sent      hub.Position // what the transport has taken
	held      []*hub.Publication
	heldBytes int
}

// Subscribe subscribes and queues the answer that ack makes of where the
// subscription begins; publications behind it follow in the queue. It blocks while the
// broker is asked, as long as ctx allows.
//
// The error is ErrClosed, ErrTooManySubscriptions or one of the hub's. Nothing was
// queued then, and the session is not subscribed unless the error is
// [hub.ErrAlreadySubscribed].
func (s *Session) Subscribe(ctx context.Context, r Request, ack func(Start) hub.Packet) error {
	sub, err := s.reserve(r)
	if err != nil {
		return err
	}
	if _, err := s.merge(ctx, sub, r, ack); err != nil {
		s.mu.Lock()
		s.subs.remove(sub)
		s.mu.Unlock()
		s.leavePresence(ctx, sub)
		return s.settle(err)
	}
	return nil
}

// Unsubscribe ends a subscription and queues the answer ack; no publication of
// it comes behind. It blocks while the broker is told. The error is
// [hub.ErrNotSubscribed] or ErrClosed.
func (s *Session) Unsubscribe(t Target, ack hub.Packet) error {
	s.mu.Lock()
	sub := s.subs.find(t)
	if sub == nil || !sub.answered {
		s.mu.Unlock()
		return fmt.Errorf("unsubscribe from %v: %w", t, hub.ErrNotSubscribed)
	}
	s.subs.remove(sub)
	err := s.enqueue(item{packet: ack})
	s.mu.Unlock()
	s.leave(sub)
	return s.settle(err)
}

// End ends a subscription from the server's side, and tells the client why. It
// reports whether there was one. It blocks while the broker is told.
func (s *Session) End(t Target, cause error) bool {
	s.mu.Lock()
	sub := s.subs.find(t)
	ok := sub != nil && sub.answered
	s.mu.Unlock()
	if ok {
		s.giveUp(sub, cause)
	}
	return ok
}

// giveUp ends a subscription and tells the client why.
func (s *Session) giveUp(sub *subscription, cause error) {
	s.mu.Lock()
	if sub.phase == gone {
		s.mu.Unlock()
		return
	}
	s.subs.remove(sub)
	err := s.enqueue(item{packet: s.Codec.Unsubscribed(sub.target, cause)})
	s.mu.Unlock()
	s.leave(sub)
	_ = s.settle(err) // ErrClosed: the session has ended meanwhile
}

// Targets returns what the session is subscribed to.
func (s *Session) Targets() []Target {
	s.mu.Lock()
	defer s.mu.Unlock()
	targets := make([]Target, 0, len(s.subs.list))
	for _, sub := range s.subs.list {
		targets = append(targets, sub.target)
	}
	return targets
}

// reserve takes a place among the subscriptions before the hub is asked.
func (s *Session) reserve(r Request) (*subscription, error) {
	sub := &subscription{session: s, target: r.Target, joins: r.Joins, format: s.Codec.Format()}
	if r.Channel == "" {
		sub.format += hub.Format(" " + r.Pattern.String())
	} else {
		sub.policy = s.Hub.Options(r.Channel).Slow
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.cause != nil:
		return nil, ErrClosed
	case s.subs.find(r.Target) != nil:
		return nil, fmt.Errorf("subscribe to %v: %w", r.Target, hub.ErrAlreadySubscribed)
	case len(s.subs.list) >= s.MaxSubscriptions:
		return nil, fmt.Errorf("subscribe to %v: %w, the limit is %d", r.Target, ErrTooManySubscriptions, s.MaxSubscriptions)
	}
	s.subs.add(sub)
	return sub, nil
}

// leave has the hub forget a subscription that has ended. The hub does so whatever
// the error is, and the broker's trouble is not this session's.
func (s *Session) leave(sub *subscription) {
	ctx, cancel := context.WithTimeout(context.Background(), brokerTime)
	defer cancel()
	s.leaveHub(ctx, sub)
	s.leavePresence(ctx, sub)
}

func (s *Session) leaveHub(ctx context.Context, sub *subscription) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), brokerTime)
	defer cancel()
	if sub.target.Channel == "" {
		_ = s.Hub.UnsubscribePattern(ctx, sub.target.Pattern, sub)
		return
	}
	_ = s.Hub.Unsubscribe(ctx, sub.target.Channel, sub)
}

// Deliver queues p for the client.
func (sub *subscription) Deliver(p *hub.Publication) {
	s := sub.session
	s.mu.Lock()
	err := sub.take(p)
	s.mu.Unlock()
	_ = s.settle(err) // whoever publishes has nothing to do with it
}

// take holds or queues p. mu is held.
func (sub *subscription) take(p *hub.Publication) error {
	switch sub.phase {
	case joining:
		sub.hold(p)
		return nil
	case lagging, gone:
		return nil
	}
	if sub.target.Channel == "" {
		return sub.session.enqueue(item{packet: sub.encode(p)})
	}
	if p.Epoch == sub.last.Epoch && p.Offset <= sub.last.Offset {
		return nil // it was among what was missed
	}
	sub.last = p.Position
	i := item{sub: sub, key: p.Key, epoch: p.Epoch, prev: p.Prev, offset: p.Offset}
	if p.ExcludeClient && p.Client == sub.session.Identity.Client {
		i.reason = SkipOwn
	} else {
		i.packet = sub.encode(p)
	}
	return sub.session.enqueue(i)
}

func (sub *subscription) encode(p *hub.Publication) hub.Packet {
	return p.Encoded(sub.format, func() hub.Packet {
		return sub.session.Codec.Publication(p, sub.target.Pattern.String())
	})
}

// hold keeps p until the subscription is live. What is too much is read from
// history instead: the merge starts over.
func (sub *subscription) hold(p *hub.Publication) {
	size := len(p.Data) + itemOverhead
	if sub.restart || sub.heldBytes+size > sub.session.MaxQueue {
		sub.restart, sub.held, sub.heldBytes = true, nil, 0
		return
	}
	sub.held = append(sub.held, p)
	sub.heldBytes += size
}

// Change tells the client of a join or a leave.
func (sub *subscription) Change(c *hub.PresenceChange) {
	if !sub.joins {
		return
	}
	s := sub.session
	s.mu.Lock()
	var err error
	if sub.phase == live || sub.phase == lagging {
		err = s.enqueue(item{packet: c.Encoded(s.Codec.Format(), func() hub.Packet { return s.Codec.Change(c) })})
	}
	s.mu.Unlock()
	_ = s.settle(err)
}

// Lost ends the subscription: the client subscribes anew and is told what became of
// what it missed.
func (sub *subscription) Lost(cause error) {
	s := sub.session
	s.mu.Lock()
	if sub.phase == joining {
		sub.restart, sub.held, sub.heldBytes = true, nil, 0
	}
	end := sub.phase == live
	s.mu.Unlock()
	if end {
		go s.giveUp(sub, cause)
	}
}
