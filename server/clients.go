package server

import (
	"context"
	"errors"
	"fmt"

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
	if s := c.Set.Client(name); s != nil {
		return client{s}
	}
	return nil
}

func (c clients) List(user, after string, limit int) ([]api.Client, bool) {
	sessions, more := c.Set.List(user, after, limit)
	found := make([]api.Client, len(sessions))
	for i, s := range sessions {
		found[i] = client{s}
	}
	return found, more
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
	err := c.Session.Subscribe(ctx, session.Request{Target: t}, func(st session.Start) hub.Packet { return c.Codec.Subscribed(t, st) })
	if errors.Is(err, session.ErrClosed) {
		return nil // one that has ended does nothing
	}
	return err
}

func (c client) Unsubscribe(channel string) error {
	if !c.End(session.Target{Channel: channel}, native.EndedByServer()) {
		return fmt.Errorf("unsubscribe %s: %w", c.Client(), hub.ErrNotSubscribed)
	}
	return nil
}

func (c client) Send(data []byte, contentType string) {
	_ = c.Message(data, contentType) // one that has ended does nothing
}

func (c client) Disconnect(reason string, retry bool) { c.Close(native.Disconnected(reason, retry)) }
