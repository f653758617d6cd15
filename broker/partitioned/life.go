package partitioned

import (
	"crypto/rand"
	"time"
)

// A partition's life has a name that stands in the log itself, so that all nodes have the same: who finds
// none gives it one, and whoever sees that the log has lost something gives it another. The
// name is said again from time to time: a node that begins finds it in what it reads.

const (
	// restTime is between two looks at whether a name is lacking.
	restTime = 50 * time.Millisecond
)

// keep has the partition named until Close, and says the node's words.
func (p *partition) keep() {
	rest := time.NewTimer(restTime)
	defer rest.Stop()
	for {
		p.mu.Lock()
		changed := p.changed
		p.mu.Unlock()
		again := p.speak()
		if l, ok := p.lacks(); ok {
			if err := p.b.config.Log.Append(p.b.ctx, p.n, "", l.record()); err != nil && p.b.ctx.Err() == nil {
				p.b.log.Warn("a partition gets no name", "partition", p.n, "error", err)
			}
		}
		select {
		case <-changed:
		case <-time.After(again):
		case <-p.b.ctx.Done():
			return
		}
		rest.Reset(restTime)
		select {
		case <-rest.C:
		case <-p.b.ctx.Done():
			return
		}
	}
}

// lacks returns what is to be said of the partition's life.
func (p *partition) lacks() (l life, ok bool) {
	p.mu.Lock()
	epoch, begun, renewed := p.epoch, p.run != "" && p.down == nil, p.renewed
	p.mu.Unlock()
	if !begun {
		return l, false
	}
	if epoch != "" {
		return life{epoch, epoch}, p.b.clock.Now().Sub(renewed) > p.b.config.StateTime/4
	}
	// Somebody may have named it.
	if err := p.read(p.b.ctx); err != nil {
		return l, false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return life{rand.Text(), p.before}, p.epoch == ""
}
