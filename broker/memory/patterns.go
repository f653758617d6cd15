package memory

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/seed-15847954/ropewalk/hub"
)

// patterns are the subscriptions to patterns. Publishing to a log looks at them only when
// they have changed since, and changing them costs the same however many there are: clients
// choose how many, and how often.
type patterns struct {
	version atomic.Uint64 // rises with each change
	size    atomic.Int64

	mu    sync.RWMutex
	sinks map[hub.Pattern]hub.Sink
}

// matched is what a log found in a version.
type matched struct {
	version uint64
	sinks   []hub.Sink
}

func (p *patterns) any() bool { return p.size.Load() > 0 }

// match returns the sinks whose patterns match the channel of a log, which is locked.
func (p *patterns) match(l *log) []hub.Sink {
	if l.matched.version == p.version.Load() {
		return l.matched.sinks
	}
	p.mu.RLock()
	defer p.mu.RUnlock()
	l.matched = matched{version: p.version.Load()}
	for pattern, sink := range p.sinks {
		if pattern.Match(l.channel) {
			l.matched.sinks = append(l.matched.sinks, sink)
		}
	}
	return l.matched.sinks
}

// change has do change the subscriptions.
func (p *patterns) change(do func(sinks map[hub.Pattern]hub.Sink)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sinks == nil {
		p.sinks = make(map[hub.Pattern]hub.Sink)
	}
	do(p.sinks)
	p.size.Store(int64(len(p.sinks)))
	p.version.Add(1)
}

// SubscribePattern hands the publications of all matching channels to sink. The
// error is always nil.
func (b *Broker) SubscribePattern(_ context.Context, p hub.Pattern, sink hub.Sink) error {
	b.patterns.change(func(sinks map[hub.Pattern]hub.Sink) { sinks[p] = sink })
	return nil
}

// UnsubscribePattern ends that. A publication that is under way may still be handed
// over. The error is always nil.
func (b *Broker) UnsubscribePattern(_ context.Context, p hub.Pattern) error {
	b.patterns.change(func(sinks map[hub.Pattern]hub.Sink) { delete(sinks, p) })
	return nil
}
