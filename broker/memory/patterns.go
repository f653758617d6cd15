package memory

import (
	"context"

	"github.com/seed-15847954/ropewalk/hub"
)

// SubscribePattern hands the publications of all matching channels to sink. The
// error is always nil.
func (b *Broker) SubscribePattern(_ context.Context, p hub.Pattern, sink hub.Sink) error {
	b.patterns.Change(func(sinks map[hub.Pattern]hub.Sink) { sinks[p] = sink })
	return nil
}

// UnsubscribePattern ends that. A publication that is under way may still be handed
// over. The error is always nil.
func (b *Broker) UnsubscribePattern(_ context.Context, p hub.Pattern) error {
	b.patterns.Change(func(sinks map[hub.Pattern]hub.Sink) { delete(sinks, p) })
	return nil
}
