package session

import (
	"context"

	"github.com/seed-15847954/ropewalk/broker/memory"
	"github.com/seed-15847954/ropewalk/hub"
)

// A broker is one in memory that calls before, with the name of the call, at the
// beginning of each.
type broker struct {
	*memory.Broker
	before func(call string)

	// fail, unless nil, is what reading history returns.
	fail error
}

func newBroker() *broker {
	return &broker{Broker: memory.New(memory.Config{}), before: func(string) {}}
}

func (b *broker) Publish(ctx context.Context, m hub.Message, o hub.PublishOptions) (hub.Published, error) {
	b.before("publish " + m.Channel + " " + string(m.Data))
	return b.Broker.Publish(ctx, m, o)
}

func (b *broker) Subscribe(ctx context.Context, channel string, sink hub.Sink) (hub.Position, error) {
	b.before("subscribe " + channel)
	return b.Broker.Subscribe(ctx, channel, sink)
}

func (b *broker) Unsubscribe(ctx context.Context, channel string) error {
	b.before("unsubscribe " + channel)
	return b.Broker.Unsubscribe(ctx, channel)
}

func (b *broker) History(ctx context.Context, channel string, q hub.Query) (hub.Page, error) {
	b.before("history " + channel)
	if b.fail != nil {
		return hub.Page{}, b.fail
	}
	return b.Broker.History(ctx, channel, q)
}

func (b *broker) Enter(ctx context.Context, channel string, m hub.Member, joins bool) error {
	b.before("enter " + channel + " " + m.Client)
	return b.Broker.Enter(ctx, channel, m, joins)
}

func (b *broker) Leave(ctx context.Context, channel, client string, joins bool) error {
	b.before("leave " + channel + " " + client)
	return b.Broker.Leave(ctx, channel, client, joins)
}
