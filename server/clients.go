package server

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/seed-15847954/ropewalk/api"
	"github.com/seed-15847954/ropewalk/hub"
	"github.com/seed-15847954/ropewalk/protocol/native"
	"github.com/seed-15847954/ropewalk/session"
)

// clients are the sessions as back ends see them.
type clients struct {
	*session.Set
	lobby *session.Lobby // may be nil
}

func (c clients) Len() int { return c.Set.Len() + away(c.lobby) }

// away returns how many clients are waited for.
func away(l *session.Lobby) int {
	if l == nil {
		return 0
	}
	return l.Len()
}

func (c clients) Client(name string) api.Client {
	s := c.Set.Client(name)
	if s != nil && s.Cause() == nil {
		return client{s}
	}
	if c.lobby != nil { // a session of the same client is at its end
		if a, ok := c.lobby.Absent(name); ok {
			return absent{a, c.lobby}
		}
	}
	if s != nil {
		return client{s}
	}
	return nil
}

func (c clients) List(user, after string, limit int) ([]api.Client, bool) {
	limit = max(limit, 1)
	sessions, more := c.Set.List(user, after, limit)
	found := make(map[string]api.Client)
	for _, s := range sessions {
		found[s.Client()] = client{s}
	}
	if c.lobby != nil {
		waiting, moreWait := c.lobby.List(user, after, limit)
		for _, a := range waiting { // a session of the same client is at its end
			found[a.Client] = absent{a, c.lobby}
		}
		more = more || moreWait
	}
	var page []api.Client
	for _, name := range slices.Sorted(maps.Keys(found)) {
		if len(page) == limit {
			return page, true
		}
		page = append(page, found[name])
	}
	return page, more
}

// client is one session.
type client struct{ *session.Session }

func (c client) Describe() api.Description {
	slow := c.Slowness()
	return api.Description{
		Name: c.Client(), User: c.User, Format: c.Codec.Format(), Since: c.Since(),
		Subscriptions: c.Subscriptions(), Info: c.Info,
		Queued: slow.Queued, LeftOut: int(slow.LeftOut), Lagged: int(slow.Lagged),
	}
}

func (c client) Subscribe(ctx context.Context, channel string) error {
	t := session.Target{Channel: channel}
	return c.Session.Subscribe(ctx, session.Request{Target: t}, func(st session.Start) hub.Packet { return c.Codec.Subscribed(t, st) })
}

func (c client) Unsubscribe(channel string) error {
	if !c.End(session.Target{Channel: channel}, native.EndedByServer()) {
		return fmt.Errorf("unsubscribe %s: %w", c.Client(), hub.ErrNotSubscribed)
	}
	return nil
}

func (c client) Send(data []byte, contentType string) error { return c.Message(data, contentType) }

func (c client) Disconnect(reason string, retry bool) { c.Close(native.Disconnected(reason, retry)) }

// absent is a client without a connection.
type absent struct {
	session.Absent
	lobby *session.Lobby
}

func (a absent) Describe() api.Description {
	return api.Description{Name: a.Client, User: a.User, Format: a.Format, Since: a.Since, Info: a.Info, Away: true}
}

func (absent) Subscribe(context.Context, string) error { return session.ErrClosed }
func (absent) Unsubscribe(string) error                { return session.ErrClosed }
func (absent) Send([]byte, string) error               { return session.ErrClosed }
func (a absent) Disconnect(string, bool)               { a.lobby.GiveUp(a.Client) }
