package session

import (
	"sync/atomic"

	"github.com/seed-15847954/ropewalk/hub"
)

// Stats count what became of slow consumers. The fields rise and may be read at
// any time.
type Stats struct {
	// Disconnected counts the sessions that ended with ErrSlowConsumer, Lagged the
	// times that a subscription was left to history since its queue was full.
	Disconnected, Lagged atomic.Int64

	// Dropped, Conflated and Latest count publications that were left out, by policy.
	Dropped, Conflated, Latest atomic.Int64
}

// Slowness is what became of one session because it is slow.
type Slowness struct {
	Queued  int    // bytes that wait to be sent, as Config.MaxQueue counts them
	LeftOut uint32 // publications
	Lagged  uint32 // times that a subscription was left to history since its queue was full
}

// Slowness returns the session's present one.
func (s *Session) Slowness() Slowness {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Slowness{s.queue.bytes, s.leftOut, s.lagged}
}

// leaveOut leaves a publication out that waits, and counts it. mu is held.
func (s *Session) leaveOut(old *item, reason SkipReason, sum *atomic.Int64) {
	s.queue.leaveOut(old, reason)
	s.leftOut++
	sum.Add(1)
}

// supersede leaves out what waits of the subscription and is worth nothing any more
// when i comes. mu is held.
func (s *Session) supersede(i *item) {
	b := i.sub.backlog
	if i.packet == nil || b == nil {
		return
	}
	switch i.sub.options.Slow {
	case hub.Latest:
		if old := b.oldestPacket(); old != nil {
			s.leaveOut(old, SkipLatest, &s.Stats.Latest)
		}
	case hub.Conflate:
		if old := b.keys[i.key]; old != nil {
			s.leaveOut(old, SkipConflated, &s.Stats.Conflated)
		}
	}
}

// oldestPacket returns the oldest item that is not left out, or nil.
func (b *backlog) oldestPacket() *item {
	n := b.oldest
	if n.packet == nil {
		n = n.newer
	}
	return n
}

// makeRoom makes room for i, and reports whether there is some or i needs none any
// more. i's own subscription yields first, then those others whose policy allows it:
// a reply does not end a session that is full of what may be dropped. mu is held.
func (s *Session) makeRoom(i *item) bool {
	if i.sub != nil && s.yield(i.sub, i) {
		return true
	}
	for _, sub := range s.subs.list {
		if sub.backlog != nil && s.yield(sub, i) {
			return true
		}
	}
	return false
}

// yield has a subscription make room for i, and reports what makeRoom does. What
// conflate and latest leave waiting is bounded where keys and channels are; beyond that
// they are catch_up.
func (s *Session) yield(sub *subscription, i *item) bool {
	switch sub.options.Slow {
	case hub.DropOldest:
		for sub.backlog != nil && !s.fits(i) {
			old := sub.backlog.oldestPacket()
			if old == nil {
				break
			}
			s.leaveOut(old, SkipDropped, &s.Stats.Dropped)
		}
	case hub.CatchUp, hub.Conflate, hub.Latest:
		if sub.phase == live {
			s.Stats.Lagged.Add(1)
			s.lagged++
			s.queue.removeAll(sub)
			s.lag(sub)
		}
		if sub == i.sub {
			return true
		}
	}
	return s.fits(i)
}
