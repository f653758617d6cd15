package proof

import (
	"context"
	"sync"
)

// A valve lets readers through while it is open, as it is at first.
type valve struct {
	mu     sync.Mutex
	opened chan struct{} // nil while it is open
}

func (v *valve) shut() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.opened == nil {
		v.opened = make(chan struct{})
	}
}

func (v *valve) open() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.opened != nil {
		close(v.opened)
		v.opened = nil
	}
}

// pass blocks until the valve is open, or ctx ends.
func (v *valve) pass(ctx context.Context) {
	v.mu.Lock()
	opened := v.opened
	v.mu.Unlock()
	if opened == nil {
		return
	}
	select {
	case <-opened:
	case <-ctx.Done():
	}
}
