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
type clients struct{ *session.Set }

func (c clients) Client(name string) api.Client {
	if s := c.Set.Client(name); s != nil {
		return client{s}
	}
	return nil
}

func (c clients) List(user, after string, limit int) (found []api.Client, more bool) {
	for _, s := range c.All() {
		if s.Client() <= after || user != "" && s.User != user {
			continue
		}
		if len(found) >= limit {
			return found, true
		}
		found = append(found, client{s})
	}
	return found, false
}

// client is one session.
type client struct{ *session.Session }

func (c client) Describe() api.Description {
	return api.Description{
		Name: c.Client(), User: c.User, Format: c.Codec.Format(), Since: c.Since(),
		Subscriptions: len(c.Targets()), Queued: c.Queued(), Info: c.Info,
	}
}

// errNoPush says that the protocol has no way to tell a client of a subscription that it
// did not ask for.
var errNoPush = fmt.Errorf("subscribe a client: %w", errors.ErrUnsupported)

func (c client) Subscribe(context.Context, string) error { return errNoPush }

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
