//go:build linux

package poller

import "syscall"

// The bits of an entry's state. Each of ready, flushing and timing belongs to the
// worker inside that callback.
const (
	closed   = 1 << iota // no callback begins any more
	queued               // on its way to Flush
	ready                // in Ready
	flushing             // in Flush
	timing               // in Timer
	again                // Flush is due again after the late one
	overdue              // Timer is due again after the late one
	muted                // not watched for reading until the late Ready or Flush has returned
	oneshot              // watched for one event only
	gone                 // so it was told of as gone, and once is enough

	reference = 1 << iota // the lowest bit of the count of references
)

// acquire takes a reference to the descriptor, unless the entry is closed.
func (e *Entry) acquire() bool {
	for {
		s := e.state.Load()
		if s&closed != 0 || s < reference {
			return false
		}
		if e.state.CompareAndSwap(s, s+reference) {
			return true
		}
	}
}

// release gives a reference back. The last one after Close closes the descriptor.
func (e *Entry) release() {
	if s := e.state.Add(^uint32(reference - 1)); s < reference {
		_ = syscall.Close(int(e.fd)) // what was to be sent is gone from here
	}
}

// enter sets the bit of a callback, unless the entry is closed or in one of others.
func (e *Entry) enter(inside, others uint32) bool {
	for {
		s := e.state.Load()
		if s&(closed|others) != 0 {
			return false
		}
		if e.state.CompareAndSwap(s, s|inside) {
			return true
		}
	}
}

// enterOr sets the bit of a callback that was queued or due, unless the entry is
// closed or in that callback, which is late: then it sets the bit missed.
func (e *Entry) enterOr(inside, missed uint32) bool {
	for {
		s := e.state.Load()
		next := s | inside
		switch {
		case s&closed != 0:
			return false
		case s&inside != 0:
			next = s | missed
		case inside == flushing:
			next &^= queued
		}
		if e.state.CompareAndSwap(s, next) {
			return s&inside == 0
		}
	}
}

// leave clears the bit of a callback and catches up on what waited for its end.
func (e *Entry) leave(inside uint32) {
	s := e.state.And(^inside)
	if s&(closed|again|overdue|muted|oneshot) == 0 || s&closed != 0 {
		return
	}
	if s&muted != 0 {
		e.unmute()
	}
	if s&oneshot != 0 {
		e.rearm()
	}
	if inside == flushing && s&again != 0 {
		e.state.And(^uint32(again))
		e.loop.enqueue(e) // it is queued all the while
	}
	if inside == timing && s&overdue != 0 {
		e.state.And(^uint32(overdue))
		e.loop.catchUp(e)
	}
}

// mute stops watching for reading while a late callback is under way.
func (e *Entry) mute() {
	e.loop.mu.Lock()
	defer e.loop.mu.Unlock()
	if e.state.Load()&muted != 0 {
		return
	}
	if e.state.Or(muted)&(ready|flushing) == 0 {
		e.state.And(^uint32(muted)) // it has just returned
		return
	}
	e.apply()
}

// unmute watches again for what is to be watched.
func (e *Entry) unmute() {
	e.loop.mu.Lock()
	defer e.loop.mu.Unlock()
	if e.state.Load()&(muted|ready|flushing) == muted {
		e.state.And(^uint32(muted))
		e.apply()
	}
}
