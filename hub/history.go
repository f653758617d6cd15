package hub

import (
	"context"
	"fmt"
)

// History returns a part of a channel's log, as [Historian] has it, at a time after the
// call. Those who ask for the same while an earlier read is under way share the
// next one; nobody changes the page.
//
// The error is one of [CheckChannel], [ErrNoHistory], the context's or the broker's; or
// [ErrEpoch] when q.From is of another epoch, where the page has its Top even so.
func (h *Hub) History(ctx context.Context, channel string, q Query) (Page, error) {
	page, err := h.history(ctx, channel, q)
	if err != nil {
		return page, fmt.Errorf("history of %q: %w", channel, err)
	}
	return page, nil
}

func (h *Hub) history(ctx context.Context, channel string, q Query) (Page, error) {
	if err := CheckChannel(channel); err != nil {
		return Page{}, err
	}
	historian, err := h.historian(channel)
	if err != nil {
		return Page{}, err
	}
	q.Limit = max(q.Limit, 1)
	page, err := h.lookups.share(ctx, newQueryKey(channel, q), func() (Page, error) {
		h.counts.reads.Add(1)
		return historian.History(ctx, channel, q)
	})
	if err != nil {
		return Page{}, err
	}
	if q.From != nil && q.From.Epoch != page.Top.Epoch {
		return Page{Top: page.Top}, ErrEpoch
	}
	return page, nil
}

// historian returns what keeps the history of a channel.
func (h *Hub) historian(channel string) (Historian, error) {
	historian, ok := h.broker.(Historian)
	if !ok || !h.Options(channel).Recoverable() {
		return nil, ErrNoHistory
	}
	return historian, nil
}
