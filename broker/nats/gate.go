package nats

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// errAway is why a call has failed that was never sent.
var errAway = errors.New("no connection to JetStream")

// A gate keeps calls from servers that have not been looked at: behind another connection there may be
// another process, with an older log.
type gate struct {
	mu     sync.Mutex
	cut    uint64        // connections that were lost
	opened chan struct{} // closed while the gate is open
	isOpen bool
	life   context.Context // of what is asked on the present connections
	end    context.CancelFunc
}

func (g *gate) init() {
	g.opened = make(chan struct{})
	g.life, g.end = context.WithCancel(context.Background())
}

// cuts returns how many connections were lost so far, for open.
func (g *gate) cuts() uint64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.cut
}

// close lets nobody in any more, and ends what waits for an answer.
func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.cut++
	g.end()
	g.life, g.end = context.WithCancel(context.Background())
	if g.isOpen {
		g.isOpen, g.opened = false, make(chan struct{})
	}
}

// open opens the gate, unless there were more cuts since.
func (g *gate) open(cuts uint64) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.cut == cuts && !g.isOpen {
		g.isOpen = true
		close(g.opened)
	}
	return g.isOpen
}

// pass waits until the gate is open. The context it returns ends with ctx, and with
// the connection.
func (g *gate) pass(ctx context.Context) (context.Context, context.CancelFunc, error) {
	for {
		g.mu.Lock()
		opened, isOpen, life := g.opened, g.isOpen, g.life
		g.mu.Unlock()
		if isOpen {
			both, cancel := context.WithCancel(ctx)
			stop := context.AfterFunc(life, cancel)
			return both, func() { stop(); cancel() }, nil
		}
		select {
		case <-opened:
		case <-ctx.Done():
			return nil, nil, fmt.Errorf("%w: %w", errAway, context.Cause(ctx))
		}
	}
}

func (g *gate) isUp() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.isOpen
}

// cut is called before there is another connection.
func (b *Broker) cut() {
	b.gate.close()
	b.keeper.wake()
}
