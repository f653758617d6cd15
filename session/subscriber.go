package session

import (
	"context"

	"github.com/seed-15847954/ropewalk/hub"
)

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
	s := sub.session
	switch {
	case sub.phase == gone:
		return nil
	case sub.phase == lagging:
		sub.last = p.Position
		return nil
	case sub.phase == joining:
		sub.last = p.Position
		s.subs.hold(sub, p, s.MaxQueue)
		return nil
	case sub.target.Channel == "":
		if sub.own(p) {
			return nil
		}
		return s.enqueue(item{packet: sub.encode(p)})
	case p.Epoch == sub.last.Epoch && p.Offset <= sub.last.Offset:
		return nil // it was among what was missed
	case p.Epoch != sub.last.Epoch || p.Prev != sub.last.Offset:
		return s.breakOff(sub, hub.ErrGap)
	}
	sub.last = p.Position
	i := item{sub: sub, prev: p.Prev, offset: p.Offset}
	if sub.own(p) {
		i.reason = SkipOwn
	} else {
		i.packet, i.key = sub.encode(p), p.Key
	}
	return s.enqueue(i)
}

// own reports whether the client has published p and does not want it.
func (sub *subscription) own(p *hub.Publication) bool {
	return p.ExcludeClient && p.Client == sub.session.Identity.Client
}

func (sub *subscription) encode(p *hub.Publication) hub.Packet {
	return p.Encoded(sub.format, func() hub.Packet {
		return sub.session.Codec.Publication(p, sub.target.Pattern.String())
	})
}

// breakOff ends a subscription in a call of the hub, which is not called back from there.
// mu is held.
func (s *Session) breakOff(sub *subscription, cause error) error {
	ok, err := s.giveUpLocked(sub, cause)
	if ok && s.cause == nil {
		s.spawn(func(context.Context) { s.leave(sub) })
	}
	return err
}

// Change tells the client of a join or a leave.
func (sub *subscription) Change(c *hub.PresenceChange) {
	if !sub.joins {
		return
	}
	s := sub.session
	s.mu.Lock()
	var err error
	if sub.answered && sub.phase != gone {
		err = s.enqueue(item{packet: c.Encoded(s.Codec.Format(), func() hub.Packet { return s.Codec.Change(c) })})
	}
	s.mu.Unlock()
	_ = s.settle(err)
}

// Lost ends the subscription: the client subscribes anew and is told what became of
// what it missed. One that the client has not been told of is begun again.
func (sub *subscription) Lost(cause error) {
	s := sub.session
	s.mu.Lock()
	var err error
	if sub.answered {
		err = s.breakOff(sub, cause)
	} else {
		s.subs.remove(sub)
	}
	s.mu.Unlock()
	_ = s.settle(err)
}
