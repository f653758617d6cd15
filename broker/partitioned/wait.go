package partitioned

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// downTime is how long somebody waits for a partition that is not read.
const downTime = 3 * time.Second

// errBegins is why nothing is read at first.
var errBegins = errors.New("it is not read yet")

// ends are the questions for the end of a partition. Who comes while one is under way shares the
// next: what the first one finds may be older than the question of the second.
type ends struct {
	mu   sync.Mutex
	turn chan struct{} // holds one while a question is under way; nil before the first
	next *end
}

// An end is the answer to one question.
type end struct {
	done   chan struct{} // closed behind the fields below
	offset uint64
	err    error
}

// end returns a place such that all that was acknowledged before the call lies before it.
func (p *partition) end(ctx context.Context) (uint64, error) {
	es := &p.ends
	es.mu.Lock()
	if es.turn == nil {
		es.turn = make(chan struct{}, 1)
	}
	if es.next == nil {
		e := &end{done: make(chan struct{})}
		es.next = e
		p.b.running.Go(func() { p.askEnd(e) })
	}
	e := es.next
	es.mu.Unlock()
	select {
	case <-e.done:
		return e.offset, e.err
	case <-ctx.Done():
		return 0, fmt.Errorf("partition %d: the log does not say where it ends: %w", p.n, context.Cause(ctx))
	}
}

// askEnd asks when it is its turn.
func (p *partition) askEnd(e *end) {
	es := &p.ends
	es.turn <- struct{}{}
	defer func() { <-es.turn }()
	es.mu.Lock()
	es.next = nil // who comes from now on asks anew
	es.mu.Unlock()
	ctx, cancel := context.WithTimeout(p.b.ctx, endTime)
	defer cancel()
	e.offset, e.err = p.b.config.Log.End(ctx, p.n)
	close(e.done)
}

// endTime bounds a question for the end.
const endTime = 5 * time.Second

// fence waits until everything is applied that was acknowledged before the call.
func (p *partition) fence(ctx context.Context) error {
	if err := p.read(ctx); err != nil {
		return err
	}
	return p.await(ctx, p.certain)
}

// certain reports whether the log is known to be what it was. The lock is held.
func (p *partition) certain() bool { return p.epoch != "" && p.census.open }

// read waits until everything is read that was acknowledged before the call.
func (p *partition) read(ctx context.Context) error {
	offset, err := p.end(ctx)
	if err != nil {
		return err
	}
	return p.await(ctx, func() bool { return p.run != "" && p.applied >= offset })
}

// await waits until ok holds, which is called with the lock. It gives up on a partition that is
// not read for a while.
func (p *partition) await(ctx context.Context, ok func() bool) error {
	var patience *time.Timer
	var over <-chan time.Time
	for {
		p.mu.Lock()
		done, down, changed := ok(), p.down, p.changed
		p.mu.Unlock()
		if done {
			return nil
		}
		if down == nil && patience != nil {
			patience.Stop()
			patience, over = nil, nil
		}
		if down != nil && patience == nil {
			patience = time.NewTimer(downTime)
			defer patience.Stop()
			over = patience.C
		}
		select {
		case <-changed:
		case <-over:
			return fmt.Errorf("partition %d is not read: %w", p.n, down)
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("partition %d is not read so far: %w", p.n, context.Cause(ctx)), down)
		case <-p.b.ctx.Done():
			return errClosed
		}
	}
}
