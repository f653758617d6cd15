package session

import (
	"context"

	"github.com/seed-15847954/ropewalk/hub"
)

// Publish hands a message of this client to the hub.
func (s *Session) Publish(ctx context.Context, m hub.Message, expect *hub.Position) (hub.Published, error) {
	m.Client = s.Identity.Client
	return s.Hub.Publish(ctx, m, expect)
}

// History returns a part of a channel's log, as [hub.Hub.History] does.
func (s *Session) History(ctx context.Context, channel string, q hub.Query) (hub.Page, error) {
	return s.Hub.History(ctx, channel, q)
}

// Members returns who is in a channel, as [hub.Hub.Members] does.
func (s *Session) Members(ctx context.Context, channel, after string, limit int) ([]hub.Member, bool, error) {
	return s.Hub.Members(ctx, channel, after, limit)
}

// Count returns how many are in a channel, as [hub.Hub.Count] does.
func (s *Session) Count(ctx context.Context, channel string) (clients, users int, err error) {
	return s.Hub.Count(ctx, channel)
}
