package session

import (
	"context"
	"fmt"

	"github.com/seed-15847954/ropewalk/hub"
)

// A phase is where a subscription is on its way. A client hears of its position
// first and of publications behind it afterwards, while the hub delivers from the
// moment of joining: what comes too early waits.
type phase uint8

const (
	joining phase = iota // the hub is asked; publications are held
	live                 // publications go to the queue
	gone                 // publications are dropped
)

// A subscription is a session's place in one channel. It is the hub's Subscriber.
type subscription struct {
	session *Session
	channel string

	// Guarded by Session.mu.
	phase phase
	held  []hub.Packet
	bytes int // of held; they count in the session's queue
}

// Subscribe subscribes to a channel and queues the answer that ack makes of the
// position; publications behind it follow in the queue. It blocks as
// [hub.Hub.Subscribe] does.
//
// The error is ErrClosed, ErrTooManySubscriptions or one of the hub's. Nothing was
// queued then, and the session is not subscribed unless the error is
// [hub.ErrAlreadySubscribed].
func (s *Session) Subscribe(ctx context.Context, channel string, ack func(hub.Position) hub.Packet) error {
	sub, err := s.reserve(channel)
	if err != nil {
		return err
	}
	pos, err := s.Hub.Subscribe(ctx, channel, sub)
	if err != nil {
		s.forget(sub)
		return err
	}
	return s.goLive(sub, ack(pos))
}

// Unsubscribe ends a subscription and queues the answer ack; no publication of
// the channel comes behind it. It blocks while the broker is told. The error is
// [hub.ErrNotSubscribed] or ErrClosed.
func (s *Session) Unsubscribe(channel string, ack hub.Packet) error {
	s.mu.Lock()
	sub := s.subscriptions[channel]
	if sub == nil || sub.phase != live {
		s.mu.Unlock()
		return fmt.Errorf("unsubscribe from %q: %w", channel, hub.ErrNotSubscribed)
	}
	sub.phase = gone
	delete(s.subscriptions, channel)
	err := s.push(ack)
	s.mu.Unlock()
	s.leave(sub)
	return s.settle(err)
}

// Publish hands a message to the hub.
func (s *Session) Publish(ctx context.Context, m hub.Message, expect *hub.Position) (hub.Published, error) {
	return s.Hub.Publish(ctx, m, expect)
}

// Subscriptions returns the number of channels subscribed to.
func (s *Session) Subscriptions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.subscriptions)
}

// reserve takes the channel's place among the subscriptions before the hub is asked.
func (s *Session) reserve(channel string) (*subscription, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.cause != nil:
		return nil, ErrClosed
	case s.subscriptions[channel] != nil:
		return nil, fmt.Errorf("subscribe to %q: %w", channel, hub.ErrAlreadySubscribed)
	case len(s.subscriptions) >= s.MaxSubscriptions:
		return nil, fmt.Errorf("subscribe to %q: %w, the limit is %d", channel, ErrTooManySubscriptions, s.MaxSubscriptions)
	}
	sub := &subscription{session: s, channel: channel}
	s.subscriptions[channel] = sub
	return sub, nil
}

// forget gives the place back after the hub has refused.
func (s *Session) forget(sub *subscription) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub.phase = gone
	delete(s.subscriptions, sub.channel)
}

// goLive queues the answer and what was held, unless the session has ended since.
func (s *Session) goLive(sub *subscription, ack hub.Packet) error {
	s.mu.Lock()
	s.queue.bytes -= sub.bytes // each is counted again when it is queued
	sub.bytes = 0
	err := s.push(ack)
	for _, b := range sub.held {
		if err == nil {
			err = s.push(b)
		}
	}
	sub.held = nil
	if err == nil {
		sub.phase = live
		s.mu.Unlock()
		return nil
	}
	sub.phase = gone
	delete(s.subscriptions, sub.channel)
	s.mu.Unlock()
	s.leave(sub)
	return s.settle(err)
}

// leave has the hub forget a subscription that has ended. The hub does so whatever
// the error is, and the broker's trouble is not this session's.
func (s *Session) leave(sub *subscription) {
	ctx, cancel := context.WithTimeout(context.Background(), leaveTime)
	defer cancel()
	_ = s.Hub.Unsubscribe(ctx, sub.channel, sub)
}

// leaveAll ends every subscription and returns those that the hub has to be told
// of. The ones that are still joining tell it themselves. mu is held.
func (s *Session) leaveAll() []*subscription {
	var subs []*subscription
	for _, sub := range s.subscriptions {
		if sub.phase == live {
			sub.phase = gone
			subs = append(subs, sub)
		}
	}
	clear(s.subscriptions)
	return subs
}

// Deliver queues p for the client.
func (sub *subscription) Deliver(p *hub.Publication) {
	s := sub.session
	b := p.Encoded(s.Codec.Format(), func() hub.Packet { return s.Codec.Publication(p) })
	s.mu.Lock()
	err := sub.take(b)
	s.mu.Unlock()
	_ = s.settle(err) // whoever publishes has nothing to do with it
}

// Change does nothing: joins and leaves are not told yet.
func (sub *subscription) Change(*hub.PresenceChange) {}

// Lost ends the session, which comes back and subscribes anew.
func (sub *subscription) Lost(cause error) { sub.session.Close(cause) }

// take holds or queues b. mu is held.
func (sub *subscription) take(b hub.Packet) error {
	switch sub.phase {
	case live:
		return sub.session.push(b)
	case gone:
		return nil
	}
	q := &sub.session.queue
	if q.bytes+size(b) > sub.session.MaxQueue {
		return errOverflow
	}
	q.bytes += size(b)
	sub.bytes += size(b)
	sub.held = append(sub.held, b)
	return nil
}
