package api_test

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/seed-15847954/ropewalk/api"
	"github.com/seed-15847954/ropewalk/hub"
)

const (
	epoch  = "3007ff3ef604685b9968671f3527b045"
	client = "8c1f5ad0e2b94377"
	other  = "b01dface00c0ffee"
)

// A logBroker keeps everything for ever, and counts offsets by tens.
type logBroker struct {
	mu      sync.Mutex
	logs    map[string][]*hub.Publication
	members map[string][]hub.Member
}

func newLogBroker() *logBroker {
	return &logBroker{logs: make(map[string][]*hub.Publication), members: make(map[string][]hub.Member)}
}

func (b *logBroker) top(channel string) hub.Position {
	pos := hub.Position{Epoch: epoch}
	if log := b.logs[channel]; len(log) > 0 {
		pos = log[len(log)-1].Position
	}
	return pos
}

func (b *logBroker) Publish(ctx context.Context, m hub.Message, o hub.PublishOptions) (hub.Published, error) {
	if err := ctx.Err(); err != nil {
		return hub.Published{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.logs[m.Channel] {
		if m.ID != "" && p.ID == m.ID {
			return hub.Published{Position: p.Position, Duplicate: true}, nil
		}
	}
	top := b.top(m.Channel)
	if o.Expect != nil && *o.Expect != top {
		return hub.Published{Position: top}, hub.ErrConflict
	}
	p := &hub.Publication{Message: m, Position: hub.Position{Epoch: epoch, Offset: top.Offset + 10}, Prev: top.Offset, Time: time.Now()}
	b.logs[m.Channel] = append(b.logs[m.Channel], p)
	return hub.Published{Position: p.Position}, nil
}

func (b *logBroker) Subscribe(_ context.Context, channel string, _ hub.Sink) (hub.Position, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.top(channel), nil
}

func (b *logBroker) Unsubscribe(context.Context, string) error { return nil }

func (b *logBroker) History(_ context.Context, channel string, q hub.Query) (hub.Page, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	page := hub.Page{Top: b.top(channel)}
	var found []*hub.Publication
	for _, p := range b.logs[channel] {
		if q.From == nil || (p.Offset <= q.From.Offset) == q.Reverse {
			found = append(found, p)
		}
	}
	if q.Reverse {
		slices.Reverse(found)
	}
	n := min(q.Limit, len(found))
	page.Publications, page.More = found[:n], n < len(found)
	return page, nil
}

func (b *logBroker) Enter(_ context.Context, channel string, m hub.Member, _ bool) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.members[channel] = append(b.members[channel], m)
	slices.SortFunc(b.members[channel], func(a, b hub.Member) int { return cmp.Compare(a.Client, b.Client) })
	return nil
}

func (b *logBroker) Leave(context.Context, string, string, bool) error { return nil }

func (b *logBroker) Members(_ context.Context, channel, after string, limit int) ([]hub.Member, bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var found []hub.Member
	for _, m := range b.members[channel] {
		if m.Client > after {
			found = append(found, m)
		}
	}
	n := min(limit, len(found))
	return found[:n], n < len(found), nil
}

func (b *logBroker) Count(_ context.Context, channel string) (clients, users int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	names := make(map[string]bool)
	for _, m := range b.members[channel] {
		names[m.User] = true
	}
	return len(b.members[channel]), len(names), nil
}

// crowd is a set of fake clients, in the order of their names.
type crowd []*fakeClient

func (c crowd) Len() int { return len(c) }

func (c crowd) Client(name string) api.Client {
	for _, one := range c {
		if one.Name == name {
			return one
		}
	}
	return nil
}

func (c crowd) List(user, after string, limit int) (clients []api.Client, more bool) {
	for _, one := range c {
		switch {
		case one.Name <= after || user != "" && one.User != user:
		case len(clients) == limit:
			return clients, true
		default:
			clients = append(clients, one)
		}
	}
	return clients, false
}

// A fakeClient writes down what is done to it.
type fakeClient struct {
	api.Description
	subscribe error // what Subscribe returns

	mu       sync.Mutex
	channels map[string]bool
	did      []string
}

func (c *fakeClient) Describe() api.Description { return c.Description }

func (c *fakeClient) Subscribe(_ context.Context, channel string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.channels[channel] {
		return hub.ErrAlreadySubscribed
	}
	if c.channels == nil {
		c.channels = make(map[string]bool)
	}
	c.channels[channel] = c.subscribe == nil
	return c.subscribe
}

func (c *fakeClient) Unsubscribe(channel string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.channels[channel] {
		return hub.ErrNotSubscribed
	}
	delete(c.channels, channel)
	return nil
}

func (c *fakeClient) note(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.did = append(c.did, what)
}

func (c *fakeClient) Send(data []byte, contentType string) error {
	c.note("send " + contentType + " " + string(data))
	return nil
}

func (c *fakeClient) Disconnect(reason string, retry bool) {
	if retry {
		reason += ", come back"
	}
	c.note("disconnect " + reason)
}
