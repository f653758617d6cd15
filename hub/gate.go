package hub

import "context"

// A gate is a lock that a context can give up on.
type gate chan struct{}

func newGate() gate { return make(gate, 1) }

// lock takes the lock, or returns the context's cause.
func (g gate) lock(ctx context.Context) error {
	select {
	case g <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (g gate) unlock() { <-g }
