package session

import (
	"context"

	"github.com/seed-15847954/ropewalk/hub"
)

// full reports whether so much waits that a client which recovers is better given
// time. mu is held.
func (s *Session) full() bool { return s.queue.bytes > s.MaxQueue/2 }

// lag leaves a subscription to history. Once nothing waits any more it goes on
// from the last publication that was sent. mu is held.
func (s *Session) lag(sub *subscription) {
	sub.phase = lagging
	s.subs.lagging++
	if s.queue.first == nil && !s.queue.blocked {
		s.catchUp()
	}
}

// catchUp has the subscriptions that lag go on. mu is held, and nothing waits.
func (s *Session) catchUp() {
	if s.subs.lagging == 0 || s.cause != nil {
		return
	}
	for _, sub := range s.subs.list {
		if sub.phase == lagging {
			sub.phase, sub.merging = joining, new(merging)
			s.subs.lagging--
			s.spawn(func(ctx context.Context) { s.goOn(ctx, sub) })
		}
	}
}

// goOn makes a subscription live again, which has never left the hub, or has it lag
// again when there is more than a page.
func (s *Session) goOn(ctx context.Context, sub *subscription) {
	ctx, cancel := context.WithTimeout(ctx, brokerTime)
	defer cancel()
	s.mu.Lock()
	from, upTo := sub.sent, sub.last
	s.mu.Unlock()
	missed, err := s.Hub.Recover(ctx, sub.target.Channel, from, upTo, pageLimit)
	if err == nil && len(missed) == 0 && from.Offset < upTo.Offset {
		err = hub.ErrTrimmed
	}
	if err == nil {
		err = s.goLive(sub, Start{Position: &from}, missed, upTo, nil)
		_ = s.settle(err) // nobody waits for it
		return
	}
	if s.giveUp(sub, err) {
		s.leave(sub)
	}
}
