package websocket

import (
	"context"
	"errors"
	"os"
	"sync"
	"time"
)

// An interrupt has a context stop the calls of one direction of a stream, by a
// deadline in the past. It stays with its context from call to call, for callers
// tend to use one context many times: only the first call costs anything.
type interrupt struct {
	mu      sync.Mutex
	done    <-chan struct{} // of the context that is followed
	stop    func() bool
	blocked bool // a call is under way
	fired   bool // the deadline is set
	closed  bool
}

// past is a deadline that stops a call under way.
var past = time.Unix(1, 0)

// begin announces a call that ctx may stop. It returns the context's error if
// that has ended.
func (i *interrupt) begin(ctx context.Context, setDeadline func(time.Time) error) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.done != ctx.Done() {
		i.follow(ctx, setDeadline)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	i.blocked = true
	return nil
}

// follow follows ctx and no other. The caller holds mu.
func (i *interrupt) follow(ctx context.Context, setDeadline func(time.Time) error) {
	if i.stop != nil {
		i.stop()
	}
	i.done, i.stop = nil, nil
	if i.closed {
		return // the stream stops the call
	}
	done := ctx.Done()
	i.done = done
	i.stop = context.AfterFunc(ctx, func() {
		i.mu.Lock()
		defer i.mu.Unlock()
		if i.done == done && i.blocked {
			i.fired = true
			_ = setDeadline(past) // of a stream that is closed, nothing is under way
		}
	})
}

// end ends the call and gives its error the context's form if it was stopped.
func (i *interrupt) end(ctx context.Context, setDeadline func(time.Time) error, err error) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.blocked = false
	if i.fired {
		i.fired = false
		_ = setDeadline(time.Time{})
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return ctx.Err()
		}
	}
	return err
}

// close lets go of the context. The stream has been closed.
func (i *interrupt) close() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.closed = true
	if i.stop != nil {
		i.stop()
	}
	i.done, i.stop = nil, nil
}
