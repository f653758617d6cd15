package hub

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
)

// recoveries counts how recoveries went.
type recoveries struct{ tail, broker, failed atomic.Uint64 }

func (r *recoveries) count(fromTail bool, err error) {
	switch {
	case err != nil:
		r.failed.Add(1)
	case fromTail:
		r.tail.Add(1)
	default:
		r.broker.Add(1)
	}
}

// Recover returns the publications of a channel behind from, in their order, up to
// upTo, which is where the caller has joined. There are at most limit; when the
// last one is not at upTo the caller goes on from it. Where nothing lies between,
// there are none. From may be ahead of upTo when the caller has heard more from
// another node than this one has: there are none then either, and what is
// delivered up to from is to be left out.
//
// The node's own recent publications answer if they reach back that far. Otherwise
// all who ask at about the same time share one read of the broker's history.
//
// The error is [ErrNoHistory], [ErrEpoch], [ErrTrimmed], the context's or the
// broker's.
func (h *Hub) Recover(ctx context.Context, channel string, from, upTo Position, limit int) ([]*Publication, error) {
	if from == upTo {
		return nil, nil
	}
	ps, fromTail, err := h.recover(ctx, channel, from, upTo, max(limit, 1))
	h.counts.recovered.count(fromTail, err)
	if err != nil {
		return nil, fmt.Errorf("recover %q: %w", channel, err)
	}
	return ps, nil
}

// Locate returns the position to go on from for who has seen a channel up to from, perhaps on another
// node: the same one, or another one of which the broker knows that nothing lies between.
func (h *Hub) Locate(ctx context.Context, channel string, from Position) (Position, error) {
	l, ok := h.broker.(Locator)
	if !ok {
		return from, nil
	}
	at, err := l.Locate(ctx, channel, from)
	if err != nil {
		return from, fmt.Errorf("recover %q: %w", channel, err)
	}
	return at, nil
}

func (h *Hub) recover(ctx context.Context, channel string, from, upTo Position, limit int) (all []*Publication, fromTail bool, err error) {
	if from.Epoch != upTo.Epoch {
		return nil, false, ErrEpoch
	}
	historian, err := h.historian(channel)
	if err != nil {
		return nil, false, err
	}
	ch := h.hold(channel)
	defer h.release(ch, 1)
	fromTail = true
	for {
		q := &request{from: from, upTo: upTo, limit: limit - len(all)}
		ps, err := ch.ask(ctx, historian, q)
		if err != nil {
			return nil, false, err
		}
		all = append(all, ps...)
		fromTail = fromTail && q.recalled
		if len(ps) == 0 || len(all) >= limit || all[len(all)-1].Offset >= upTo.Offset {
			return all, fromTail, nil
		}
		from = all[len(all)-1].Position
	}
}

// Latest returns the last n publications of a channel up to upTo, which is where
// the caller has joined, in their order; fewer where fewer are kept. It answers and
// fails as Recover does, without [ErrTrimmed].
func (h *Hub) Latest(ctx context.Context, channel string, n int, upTo Position) ([]*Publication, error) {
	historian, err := h.historian(channel)
	if err != nil {
		return nil, fmt.Errorf("latest of %q: %w", channel, err)
	}
	ch := h.hold(channel)
	defer h.release(ch, 1)
	n = min(max(n, 1), ch.options.History)
	q := &request{latest: true, upTo: upTo, limit: n}
	ps, err := ch.ask(ctx, historian, q)
	h.counts.recovered.count(q.recalled, err)
	if err != nil {
		return nil, fmt.Errorf("latest of %q: %w", channel, err)
	}
	return ps, nil
}

// recall answers a request from the tail, if that reaches so far.
func (ch *channel) recall(q *request) ([]*Publication, bool) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if ch.state == closed || q.upTo.Epoch != ch.last.Epoch {
		return nil, false
	}
	ch.trimTail()
	ps, ok := q.answer(&ch.tail.run)
	if !ok {
		return nil, false
	}
	return slices.Clone(ps), true // the tail's own array changes
}
