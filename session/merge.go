package session

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed-15847954/ropewalk/hub"
)

const (
	// pageLimit is how many missed publications are read at once. A client that missed
	// more gets the rest once it has taken these.
	pageLimit = 512

	// maxRestarts bounds how often a merge starts over: every time, more came than
	// a queue holds while history was read.
	maxRestarts = 5
)

// Start is where a subscription begins.
type Start struct {
	// Position is the position: all that lies behind it follows. It is nil for a
	// pattern.
	Position *hub.Position

	// Recovered, unless nil, says whether the subscription begins at the position
	// that the client asked for.
	Recovered *bool

	reason error
}

func (st *Start) recovered() bool { return st.Recovered != nil && *st.Recovered }

// Reason says why the subscription is not recovered: "epoch", "trimmed" or
// "no_history". It is empty otherwise.
func (st *Start) Reason() string {
	switch {
	case errors.Is(st.reason, hub.ErrEpoch):
		return "epoch"
	case errors.Is(st.reason, hub.ErrTrimmed):
		return "trimmed"
	case errors.Is(st.reason, hub.ErrNoHistory):
		return "no_history"
	}
	return ""
}

// merge makes a subscription that is joining live, in the steps buffer, read, merge:
// it joins the hub, from when on deliveries are held, reads what lies between the client's
// position and that of the joining, and queues the answer, what was missed and
// what was held. When more came than can be held it starts over.
func (s *Session) merge(ctx context.Context, sub *subscription, r Request, ack func(Start) hub.Packet) (Start, error) {
	for range maxRestarts {
		start, again, err := s.tryMerge(ctx, sub, r, ack)
		if err == nil && !again {
			return start, nil
		}
		s.leaveHub(ctx, sub)
		if err != nil {
			return start, err
		}
	}
	return Start{}, errOverflow
}

func (s *Session) tryMerge(ctx context.Context, sub *subscription, r Request, ack func(Start) hub.Packet) (start Start, again bool, err error) {
	s.mu.Lock()
	sub.restart, sub.held, sub.heldBytes = false, nil, 0
	s.mu.Unlock()
	if r.Channel == "" {
		if err := s.Hub.SubscribePattern(ctx, r.Pattern, sub); err != nil {
			return start, false, err
		}
		again, err = s.goLive(sub, start, nil, true, ack)
		return start, again, err
	}
	pos, err := s.Hub.Subscribe(ctx, r.Channel, sub)
	if err != nil {
		return start, false, err
	}
	start, missed, err := s.read(ctx, r, pos)
	if err != nil {
		return start, false, err
	}
	if ack == nil && !start.recovered() {
		return start, false, start.reason // it was subscribed, and cannot go on
	}
	s.enterPresence(ctx, sub)
	whole := len(missed) == 0 || missed[len(missed)-1].Offset >= pos.Offset
	again, err = s.goLive(sub, start, missed, whole, ack)
	return start, again, err
}

// read returns where the subscription begins and what lies between there and pos,
// or as much of it as one page holds.
func (s *Session) read(ctx context.Context, r Request, pos hub.Position) (Start, []*hub.Publication, error) {
	start := Start{Position: &pos}
	if r.From != nil {
		missed, err := s.Hub.Recover(ctx, r.Channel, *r.From, pos, pageLimit)
		recovered := err == nil
		start.Recovered = &recovered
		start.reason = err
		if recovered {
			from := *r.From
			start.Position = &from
			return start, missed, nil
		}
		if start.Reason() == "" {
			return start, nil, err
		}
		return start, nil, nil
	}
	if r.Latest == 0 {
		return start, nil, nil
	}
	latest, err := s.Hub.Latest(ctx, r.Channel, r.Latest, pos)
	if errors.Is(err, hub.ErrNoHistory) {
		return start, nil, nil
	}
	if err != nil {
		return start, nil, err
	}
	if len(latest) > 0 {
		start.Position = &hub.Position{Epoch: pos.Epoch, Offset: latest[0].Prev}
	}
	return start, latest, nil
}

// goLive queues the answer, what was missed and what was held. When not all of what
// was missed was read, the subscription lags. It reports whether the
// merge has to start over.
func (s *Session) goLive(sub *subscription, start Start, missed []*hub.Publication, whole bool, ack func(Start) hub.Packet) (again bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.cause != nil:
		return false, ErrClosed
	case sub.phase == gone:
		return false, fmt.Errorf("subscribe to %v: %w", sub.target, hub.ErrNotSubscribed)
	case sub.restart:
		return true, nil
	}
	held := sub.held
	sub.held, sub.heldBytes = nil, 0
	if ack != nil {
		if err := s.enqueue(item{packet: ack(start)}); err != nil {
			return false, err
		}
	}
	if start.Position != nil {
		sub.last, sub.sent = *start.Position, *start.Position
	}
	sub.phase, sub.answered = live, true
	for _, p := range append(missed, held...) {
		if !whole && len(held) > 0 && p == held[0] {
			break
		}
		if sub.phase != live {
			break
		}
		if s.full() && sub.target.Channel != "" && s.Hub.Options(sub.target.Channel).Recoverable() {
			s.later(sub)
			break
		}
		if err := sub.take(p); err != nil {
			return false, err
		}
	}
	if !whole && sub.phase == live {
		s.later(sub)
	}
	return false, nil
}

// full reports whether so much waits that a client which recovers is better given
// time. mu is held.
func (s *Session) full() bool { return s.queue.bytes > s.MaxQueue/2 }

// later has a subscription go on from its last queued publication once nothing
// waits any more. mu is held.
func (s *Session) later(sub *subscription) {
	sub.phase = lagging
	s.subs.lagging++
	if len(s.queue.items) == 0 && !s.queue.blocked {
		go s.flush()
	}
}

// enterPresence adds the client to the channel's presence, where that is kept.
// What goes wrong is the broker's trouble, and does not keep a client from its messages.
func (s *Session) enterPresence(ctx context.Context, sub *subscription) {
	if !s.Hub.Options(sub.target.Channel).Presence {
		return
	}
	s.mu.Lock()
	entered := sub.entered
	sub.entered = true
	s.mu.Unlock()
	if !entered {
		_ = s.Hub.Enter(ctx, sub.target.Channel, hub.Member{Client: s.Identity.Client, User: s.User, Info: s.Info})
	}
}

func (s *Session) leavePresence(ctx context.Context, sub *subscription) {
	s.mu.Lock()
	entered := sub.entered
	sub.entered = false
	s.mu.Unlock()
	if entered {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), brokerTime)
		defer cancel()
		_ = s.Hub.Leave(ctx, sub.target.Channel, s.Identity.Client)
	}
}
