package memory

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/seed-15847954/ropewalk/hub"
)

// patterns are the subscriptions to patterns. Publishing reads them without a lock.
type patterns struct {
	mu      sync.Mutex
	current atomic.Pointer[patternList]
}

// A patternList never changes.
type patternList struct{ sinks map[hub.Pattern]hub.Sink }

// matched is what a log found in a list.
type matched struct {
	list  *patternList
	sinks []hub.Sink
}

func (p *patterns) any() bool {
	list := p.current.Load()
	return list != nil && len(list.sinks) > 0
}

// match returns the sinks whose patterns match the channel of a log, which is locked.
// A log looks again only when the list has changed.
func (p *patterns) match(l *log) []hub.Sink {
	list := p.current.Load()
	if l.matched.list == list {
		return l.matched.sinks
	}
	l.matched = matched{list: list}
	for pattern, sink := range list.sinks {
		if pattern.Match(l.channel) {
			l.matched.sinks = append(l.matched.sinks, sink)
		}
	}
	return l.matched.sinks
}

// change replaces the list by one that do has changed.
func (p *patterns) change(do func(sinks map[hub.Pattern]hub.Sink)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	next := &patternList{sinks: make(map[hub.Pattern]hub.Sink)}
	if list := p.current.Load(); list != nil {
		for pattern, sink := range list.sinks {
			next.sinks[pattern] = sink
		}
	}
	do(next.sinks)
	p.current.Store(next)
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
