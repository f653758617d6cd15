package hub

import (
	"context"
	"fmt"
)

// Enter adds m to a channel, or replaces the member of the same Client. Where the
// channel's options say so, its subscribers on every node are told of a join.
// Unless the error is [ErrNoPresence] or the context's it is the broker's.
func (h *Hub) Enter(ctx context.Context, channel string, m Member) error {
	keeper, err := h.keeper(channel)
	if err == nil {
		err = keeper.Enter(ctx, channel, m, h.Options(channel).Joins)
	}
	if err != nil {
		return fmt.Errorf("enter %q: %w", channel, err)
	}
	return nil
}

// Leave removes a client from a channel; subscribers are told like of a join.
// It is no error when the client was not there.
func (h *Hub) Leave(ctx context.Context, channel, client string) error {
	keeper, err := h.keeper(channel)
	if err == nil {
		err = keeper.Leave(ctx, channel, client, h.Options(channel).Joins)
	}
	if err != nil {
		return fmt.Errorf("leave %q: %w", channel, err)
	}
	return nil
}

// Members returns up to limit members of a channel in the order of Client, from
// behind after on, and whether there are more. Errors are those of Enter.
func (h *Hub) Members(ctx context.Context, channel, after string, limit int) (members []Member, more bool, err error) {
	keeper, err := h.keeper(channel)
	if err == nil {
		members, more, err = keeper.Members(ctx, channel, after, max(limit, 1))
	}
	if err != nil {
		return nil, false, fmt.Errorf("members of %q: %w", channel, err)
	}
	return members, more, nil
}

// Count returns how many clients are in a channel, and how many users they are.
// Errors are those of Enter.
func (h *Hub) Count(ctx context.Context, channel string) (clients, users int, err error) {
	keeper, err := h.keeper(channel)
	if err == nil {
		clients, users, err = keeper.Count(ctx, channel)
	}
	if err != nil {
		return 0, 0, fmt.Errorf("count members of %q: %w", channel, err)
	}
	return clients, users, nil
}

// keeper returns what keeps the presence of a channel.
func (h *Hub) keeper(channel string) (PresenceKeeper, error) {
	if err := CheckChannel(channel); err != nil {
		return nil, err
	}
	if h.presence == nil || !h.Options(channel).Presence {
		return nil, ErrNoPresence
	}
	return h.presence, nil
}

// KeepsPresence reports whether anybody keeps who is in a channel.
func (h *Hub) KeepsPresence() bool { return h.presence != nil }

// Changed tells the subscribers of a channel of a join or leave, for a Presence that is not
// the broker's: one at a time for each channel. It does not block.
func (h *Hub) Changed(channel string, c *PresenceChange) {
	if ch := h.find(channel); ch != nil {
		ch.Change(c)
	}
}
