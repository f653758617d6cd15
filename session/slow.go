package session

import (
	"context"
	"sync/atomic"

	"github.com/seed-15847954/ropewalk/hub"
)

// Stats count what became of slow consumers. The fields rise and may be read at
// any time.
type Stats struct {
	// Disconnected counts the sessions that ended with ErrSlowConsumer, CaughtUp the
	// times that a subscription began to lag and read from history later.
	Disconnected, CaughtUp atomic.Int64

	// Dropped, Conflated and Latest count publications that were left out, by policy.
	Dropped, Conflated, Latest atomic.Int64
}

// supersede drops what waits of the subscription and is worth nothing any more
// when i comes. mu is held.
func (s *Session) supersede(i *item) {
	switch {
	case i.packet == nil: // a place alone supersedes nothing
	case i.sub.policy == hub.Latest:
		s.dropQueued(i.sub, SkipLatest, func(*item) bool { return true })
	case i.sub.policy == hub.Conflate:
		s.conflate(i)
	}
}

// conflate drops what waits of the same key.
func (s *Session) conflate(i *item) {
	s.dropQueued(i.sub, SkipConflated, func(old *item) bool { return old.key == i.key })
}

// dropQueued drops the newest item of the subscription that match returns true for,
// if there is one: as each new one drops the one before, there never are more.
func (s *Session) dropQueued(sub *subscription, reason SkipReason, match func(*item) bool) {
	q := &s.queue
	for n := len(q.items) - 1; n >= 0; n-- {
		old := &q.items[n]
		if old.sub == sub && old.packet != nil && match(old) {
			q.drop(old, reason)
			s.count(reason)
			return
		}
	}
}

func (s *Session) count(reason SkipReason) {
	switch reason {
	case SkipDropped:
		s.Stats.Dropped.Add(1)
	case SkipConflated:
		s.Stats.Conflated.Add(1)
	case SkipLatest:
		s.Stats.Latest.Add(1)
	}
}

// makeRoom makes room for i as its channel's policy says, and reports whether there
// is some, or i needs none any more. mu is held.
func (s *Session) makeRoom(i *item) bool {
	if i.sub == nil {
		return false
	}
	q := &s.queue
	switch i.sub.policy {
	case hub.DropOldest:
		for n := range q.items {
			if old := &q.items[n]; old.sub == i.sub && old.packet != nil {
				q.drop(old, SkipDropped)
				s.count(SkipDropped)
				if q.bytes+i.size() <= s.MaxQueue {
					return true
				}
			}
		}
		q.compact()
	case hub.CatchUp:
		s.lag(i.sub)
		return true
	}
	return q.bytes+i.size() <= s.MaxQueue
}

// lag takes everything of a subscription off the queue. It goes on from where the
// client is once the queue is empty. mu is held.
func (s *Session) lag(sub *subscription) {
	q := &s.queue
	kept := q.items[:0]
	for _, i := range q.items {
		if i.sub != sub {
			kept = append(kept, i)
			continue
		}
		q.bytes -= i.size()
		if i.packet == nil {
			q.dropped--
		}
	}
	clear(q.items[len(kept):])
	q.items = kept
	sub.phase = lagging
	s.subs.lagging++
	s.Stats.CaughtUp.Add(1)
}

// catchUp has the subscriptions that lag go on. mu is held, and nothing waits.
func (s *Session) catchUp() {
	if s.subs.lagging == 0 || s.cause != nil {
		return
	}
	for _, sub := range s.subs.list {
		if sub.phase == lagging {
			sub.phase = joining
			s.subs.lagging--
			go s.goOn(sub)
		}
	}
}

// goOn merges a subscription again, from where the client is. The hub still
// delivers to it, or has lost it.
func (s *Session) goOn(sub *subscription) {
	ctx, cancel := context.WithTimeout(context.Background(), brokerTime)
	defer cancel()
	s.leaveHub(ctx, sub)
	from := sub.sent // nothing of it is sent while it lags
	if _, err := s.merge(ctx, sub, Request{Target: sub.target, From: &from}, nil); err != nil {
		s.giveUp(sub, err)
	}
}
