package retain

import (
	"sync"
	"sync/atomic"

	"github.com/seed-15847954/ropewalk/hub"
)

// Patterns are the subscriptions to patterns. The zero value is empty; all methods may be called at
// once. Publishing to a channel looks at them only when
// they have changed since, and changing them costs the same however many there are: clients
// choose how many, and how often.
type Patterns struct {
	version atomic.Uint64 // rises with each change
	size    atomic.Int64

	mu    sync.RWMutex
	sinks map[hub.Pattern]hub.Sink
}

// Matched is what a channel found in a version. It is guarded by the channel's owner.
type Matched struct {
	version uint64
	sinks   []hub.Sink
}

// Any reports whether there are any.
func (p *Patterns) Any() bool { return p.size.Load() > 0 }

// Match returns the sinks whose patterns match a channel, by what it has found before.
func (p *Patterns) Match(channel string, m *Matched) []hub.Sink {
	if m.version == p.version.Load() {
		return m.sinks
	}
	p.mu.RLock()
	defer p.mu.RUnlock()
	*m = Matched{version: p.version.Load()}
	for pattern, sink := range p.sinks {
		if pattern.Match(channel) {
			m.sinks = append(m.sinks, sink)
		}
	}
	return m.sinks
}

// Change has do change the subscriptions.
func (p *Patterns) Change(do func(sinks map[hub.Pattern]hub.Sink)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sinks == nil {
		p.sinks = make(map[hub.Pattern]hub.Sink)
	}
	do(p.sinks)
	p.size.Store(int64(len(p.sinks)))
	p.version.Add(1)
}
