package hub

import (
	"context"
	"fmt"
	"slices"
)

// Recover returns the publications of a channel behind from, in their order, up to
// upTo, which is where the caller has joined. There are at most limit; when the
// last one is not at upTo the caller goes on from it. Where nothing lies between,
// there are none. From may be ahead of upTo when the caller has heard more from another node than
// this one has: there are none then either, and what is delivered up to
// from is to be left out.
//
// The error is [ErrNoHistory], [ErrEpoch], [ErrTrimmed], the context's or the broker's.
func (h *Hub) Recover(ctx context.Context, channel string, from, upTo Position, limit int) ([]*Publication, error) {
	ps, err := h.recover(ctx, channel, from, upTo, max(limit, 1))
	if err != nil {
		return nil, fmt.Errorf("recover %q: %w", channel, err)
	}
	return ps, nil
}

func (h *Hub) recover(ctx context.Context, channel string, from, upTo Position, limit int) ([]*Publication, error) {
	switch {
	case from.Epoch != upTo.Epoch:
		return nil, ErrEpoch
	case from == upTo:
		return nil, nil
	}
	historian, err := h.historian(channel)
	if err != nil {
		return nil, err
	}
	page, err := historian.History(ctx, channel, Query{From: &from, Limit: limit})
	switch {
	case err != nil:
		return nil, err
	case page.Top.Epoch != from.Epoch || page.Top.Offset < from.Offset:
		return nil, ErrEpoch
	case from.Offset > upTo.Offset:
		return nil, nil
	}
	var ps []*Publication
	for _, p := range page.Publications {
		if p.Offset > upTo.Offset {
			break
		}
		if p.Prev != from.Offset {
			return nil, ErrTrimmed
		}
		from = p.Position
		ps = append(ps, p)
	}
	if len(ps) == 0 {
		return nil, ErrTrimmed
	}
	return ps, nil
}

// Latest returns the last n publications of a channel up to upTo, which is where the
// caller has joined, in their order; fewer where fewer are kept.
// Errors are those of Recover but ErrTrimmed.
func (h *Hub) Latest(ctx context.Context, channel string, n int, upTo Position) ([]*Publication, error) {
	ps, err := h.latest(ctx, channel, n, upTo)
	if err != nil {
		return nil, fmt.Errorf("recover %q: %w", channel, err)
	}
	return ps, nil
}

func (h *Hub) latest(ctx context.Context, channel string, n int, upTo Position) ([]*Publication, error) {
	historian, err := h.historian(channel)
	if err != nil {
		return nil, err
	}
	page, err := historian.History(ctx, channel, Query{From: &upTo, Limit: max(n, 1), Reverse: true})
	switch {
	case err != nil:
		return nil, err
	case page.Top.Epoch != upTo.Epoch:
		return nil, ErrEpoch
	}
	// What is kept must end at upTo and have no hole.
	var ps []*Publication
	last := upTo.Offset
	for _, p := range page.Publications {
		if p.Offset != last {
			break
		}
		ps = append(ps, p)
		last = p.Prev
	}
	slices.Reverse(ps)
	return ps, nil
}
