package session

import (
	"context"
	"errors"
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
//
//	joining ──▶ live ──▶ lagging       any ──▶ gone
//	   ▲                    │
//	   └────────────────────┘
type phase uint8

const (
	joining phase = iota // the hub and the history are asked; publications are held
	live                 // publications go to the queue
	lagging              // publications are left to history; nothing of it is queued
	gone                 // publications are dropped
)

// maxRestarts bounds how often a subscription that the hub loses while it is joining
// is begun again.
const maxRestarts = 5

// A subscription is a session's place in one channel or pattern. It is the hub's
// Subscriber, and joins the hub once.
type subscription struct {
	// Constant after reserve.
	session *Session
	target  Target
	format  hub.Format
	options *hub.Options
	joins   bool

	// Guarded by Session.mu.
	phase    phase
	answered bool         // the client was told that it is subscribed
	last     hub.Position // live: that was queued or sent; otherwise that was heard of
	sent     hub.Position // that the transport has taken
	merging  *merging     // nil unless joining
	backlog  *backlog     // nil unless something waits

	stay *stay // nil where the client has not entered the channel's presence
}

// Subscribe subscribes and queues the answer that ack makes of where the
// subscription begins; publications behind it follow in the queue. It blocks while the
// broker is asked, as long as ctx allows. ack does not call the session; it may be nil or
// return nil where there is nothing to answer.
//
// The error is ErrClosed, ErrTooManySubscriptions or one of the hub's. Nothing was
// queued then, and the session is not subscribed unless the error is
// [hub.ErrAlreadySubscribed].
func (s *Session) Subscribe(ctx context.Context, r Request, ack func(Start) hub.Packet) error {
	var err error
	for range maxRestarts {
		var sub *subscription
		if sub, err = s.reserve(r); err != nil {
			return err
		}
		if err = s.merge(ctx, sub, r, ack); err == nil {
			s.enter(ctx, sub)
			return nil
		}
		s.withdraw(sub)
		if !errors.Is(err, errLost) {
			break
		}
	}
	return s.settle(err)
}

// Unsubscribe ends a subscription and queues the answer ack, unless that is nil; no
// publication of it comes behind. It blocks while the broker is told. The error is
// [hub.ErrNotSubscribed] or ErrClosed.
func (s *Session) Unsubscribe(t Target, ack hub.Packet) error {
	s.mu.Lock()
	sub := s.subs.find(t)
	if sub == nil || !sub.answered {
		s.mu.Unlock()
		return fmt.Errorf("unsubscribe from %v: %w", t, hub.ErrNotSubscribed)
	}
	s.subs.remove(sub)
	err := s.answer(ack)
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
	if ok = ok && s.giveUp(sub, cause); ok {
		s.leave(sub)
	}
	return ok
}

// Targets returns what the session is subscribed to.
func (s *Session) Targets() []Target {
	s.mu.Lock()
	defer s.mu.Unlock()
	targets := make([]Target, 0, len(s.subs.list))
	for _, sub := range s.subs.list {
		if sub.answered {
			targets = append(targets, sub.target)
		}
	}
	return targets
}

// Subscriptions returns how many channels and patterns the session is subscribed to,
// or about to be.
func (s *Session) Subscriptions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.subs.list)
}

// noOptions are those of patterns.
var noOptions hub.Options

// reserve takes a place among the subscriptions before the hub is asked.
func (s *Session) reserve(r Request) (*subscription, error) {
	sub := &subscription{session: s, target: r.Target, joins: r.Joins, format: s.Codec.Format(), options: &noOptions, merging: new(merging)}
	if r.Channel == "" {
		sub.format += hub.Format(" " + r.Pattern.String())
	} else {
		sub.options = s.Hub.Options(r.Channel)
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

// withdraw takes back a subscription that could not be made.
func (s *Session) withdraw(sub *subscription) {
	s.mu.Lock()
	s.subs.remove(sub)
	s.mu.Unlock()
	s.leaveHub(sub)
}

// giveUp ends a subscription and tells the client why. It reports whether there still
// was one; the caller then has it leave.
func (s *Session) giveUp(sub *subscription, cause error) bool {
	s.mu.Lock()
	ok, err := s.giveUpLocked(sub, cause)
	s.mu.Unlock()
	_ = s.settle(err) // the session has ended meanwhile, or does now
	return ok
}

func (s *Session) giveUpLocked(sub *subscription, cause error) (bool, error) {
	if sub.phase == gone || s.cause != nil {
		return false, nil //nolint:nilerr // the session's end is told by others
	}
	s.subs.remove(sub)
	return true, s.enqueue(item{packet: s.Codec.Unsubscribed(sub.target, cause)})
}

// leave has the hub forget a subscription that has ended.
func (s *Session) leave(sub *subscription) {
	s.leaveHub(sub)
	s.leavePresence(sub)
}

// leaveHub is for subscriptions that may be in the hub. The hub forgets them whatever
// the error is, and the broker's trouble is not this session's.
func (s *Session) leaveHub(sub *subscription) {
	ctx, cancel := context.WithTimeout(context.Background(), brokerTime)
	defer cancel()
	if sub.target.Channel == "" {
		_ = s.Hub.UnsubscribePattern(ctx, sub.target.Pattern, sub)
		return
	}
	_ = s.Hub.Unsubscribe(ctx, sub.target.Channel, sub)
}
