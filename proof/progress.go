package proof

import (
	"context"
	"sync"
)

// A progress counts the messages that are settled. Whatever happens in a run happens at a
// number of them and at no time, so that a slow machine sees the same as a fast one.
type progress struct {
	total int

	mu      sync.Mutex
	settled int
	waiting map[int][]chan struct{} // by the number that they wait for
}

func newProgress(total int) *progress {
	return &progress{total: total, waiting: make(map[int][]chan struct{})}
}

// add counts one more message.
func (p *progress) add() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.settled++
	for _, c := range p.waiting[p.settled] {
		close(c)
	}
	delete(p.waiting, p.settled)
}

// reached returns a channel that is closed once part of all messages, from 0 to 1, are
// settled.
func (p *progress) reached(part float64) <-chan struct{} {
	n := min(int(part*float64(p.total)), p.total)
	c := make(chan struct{})
	p.mu.Lock()
	defer p.mu.Unlock()
	if n <= p.settled {
		close(c)
	} else {
		p.waiting[n] = append(p.waiting[n], c)
	}
	return c
}

// wait blocks until part of all messages are settled, or ctx ends.
func (p *progress) wait(ctx context.Context, part float64) error {
	select {
	case <-p.reached(part):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
