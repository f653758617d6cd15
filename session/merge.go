package session

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed-15847954/ropewalk/hub"
)

// pageLimit is how many missed publications are read at once. A client that missed
// more gets the rest once it has taken these.
const pageLimit = 512

// errLost means that the hub gave the subscription up while it was joining.
var errLost = fmt.Errorf("%w while joining", hub.ErrGap)

// Start is where a subscription begins.
type Start struct {
	// Position is the position: all that lies behind it follows. It is nil for a
	// pattern.
	Position *hub.Position

	// Recovered, unless nil, says whether the subscription begins at the position
	// that the client asked for, or another one with nothing between.
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

// A merging is what a subscription holds while it is joining.
type merging struct {
	held     []*hub.Publication
	bytes    int
	overflow bool // more came than could be held, which is nothing any more
}

// merge makes a subscription that is joining live, in the steps buffer, read and merge:
// it joins the hub, from when on deliveries are held; reads what lies between the client's
// position and that of the joining; and queues the answer, what was missed and
// what was held.
func (s *Session) merge(ctx context.Context, sub *subscription, r Request, ack func(Start) hub.Packet) error {
	if r.Channel == "" {
		if err := s.Hub.SubscribePattern(ctx, r.Pattern, sub); err != nil {
			return err
		}
		return s.goLive(sub, Start{}, nil, hub.Position{}, ack)
	}
	pos, err := s.Hub.Subscribe(ctx, r.Channel, sub)
	if err != nil {
		return err
	}
	s.mu.Lock()
	if sub.last.Epoch == "" { // else there were deliveries already
		sub.last = pos
	}
	s.mu.Unlock()
	start, missed, err := s.read(ctx, r, pos)
	if err != nil {
		return err
	}
	return s.goLive(sub, start, missed, pos, ack)
}

// read returns where the subscription begins and what lies between there and pos,
// or as much of it as one page holds.
func (s *Session) read(ctx context.Context, r Request, pos hub.Position) (Start, []*hub.Publication, error) {
	switch {
	case r.From != nil:
		return s.recover(ctx, r, pos)
	case r.Latest > 0:
		return s.latest(ctx, r, pos)
	}
	return Start{Position: &pos}, nil, nil
}

func (s *Session) recover(ctx context.Context, r Request, pos hub.Position) (Start, []*hub.Publication, error) {
	from, err := s.Hub.Locate(ctx, r.Channel, *r.From)
	if err != nil {
		return Start{}, nil, err
	}
	missed, err := s.Hub.Recover(ctx, r.Channel, from, pos, pageLimit)
	recovered := err == nil
	if recovered {
		return Start{Position: &from, Recovered: &recovered}, missed, nil
	}
	start := Start{Position: &pos, Recovered: &recovered, reason: err}
	if start.Reason() == "" {
		return start, nil, err // history could not be read
	}
	return start, nil, nil
}

func (s *Session) latest(ctx context.Context, r Request, pos hub.Position) (Start, []*hub.Publication, error) {
	latest, err := s.Hub.Latest(ctx, r.Channel, r.Latest, pos)
	if errors.Is(err, hub.ErrNoHistory) {
		return Start{Position: &pos}, nil, nil
	}
	if err != nil {
		return Start{}, nil, err
	}
	start := pos
	if len(latest) > 0 {
		start.Offset = latest[0].Prev
	}
	return Start{Position: &start}, latest, nil
}

// goLive queues the answer, what was missed, which is a part of what there is up to pos,
// and what was held. What does not come by this way is left to history.
func (s *Session) goLive(sub *subscription, start Start, missed []*hub.Publication, pos hub.Position, ack func(Start) hub.Packet) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.cause != nil:
		return ErrClosed
	case sub.phase == gone:
		return errLost
	}
	held, overflow := s.subs.unhold(sub)
	if ack != nil {
		if overflow {
			start = sub.startOver(start)
		}
		if err := s.answer(ack(start)); err != nil {
			return err
		}
	}
	sub.phase, sub.answered = live, true
	if start.Position == nil {
		return s.takeAll(sub, held)
	}
	top := sub.last
	sub.last, sub.sent = *start.Position, *start.Position
	err := s.takeAll(sub, missed)
	if err == nil && sub.phase == live && (sub.last.Offset < pos.Offset || overflow && sub.last.Offset < top.Offset) {
		s.lag(sub)
	}
	if err == nil {
		err = s.takeAll(sub, held)
	}
	if sub.phase != live {
		sub.last = top
	}
	return err
}

// answer queues a packet, if there is one. mu is held.
func (s *Session) answer(p hub.Packet) error {
	if p == nil {
		return nil
	}
	return s.enqueue(item{packet: p})
}

// startOver returns where a subscription begins of which more came than could be held.
// A channel with history has it all the same.
func (sub *subscription) startOver(start Start) Start {
	if start.Position == nil || sub.options.Recoverable() {
		return start
	}
	if start.recovered() {
		recovered := false
		start.Recovered, start.reason = &recovered, hub.ErrNoHistory
	}
	top := sub.last
	start.Position = &top
	return start
}

// takeAll queues publications, as long as the subscription is live. Those that there is
// no room for are left to history: a client that comes back is not slow for that
// it was away. mu is held.
func (s *Session) takeAll(sub *subscription, ps []*hub.Publication) error {
	for _, p := range ps {
		if sub.phase == live && s.full() && sub.options.Recoverable() {
			s.lag(sub)
		}
		if sub.phase != live {
			return nil
		}
		err := sub.take(p)
		if errors.Is(err, errOverflow) && sub.phase == live && sub.options.Recoverable() {
			s.lag(sub)
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}
