//go:build linux

package poller

import (
	"runtime"
	"sync"
	"syscall"
	"time"
)

// A Worker is a goroutine that calls targets. Its methods may be called by the
// callback it is passed to, until that returns.
type Worker struct {
	loop    *loop
	turn    uint64 // of the loop when the worker last changed it
	stalled *Entry // to be told so
	slept   bool   // there was nothing to do the last time
	busy    int    // events since others could go first
	buffer  []byte
	events  [128]syscall.EpollEvent
}

// yieldAfter is how many events a worker handles without a rest.
const yieldAfter = 256

var workers = sync.Pool{New: func() any { return new(Worker) }}

// newWorker returns one that owns the loop, whose turn it has.
func newWorker(l *loop, turn uint64) *Worker {
	w := workers.Get().(*Worker)
	w.loop, w.turn, w.stalled, w.slept, w.busy = l, turn, nil, false, 0
	return w
}

// Buffer returns 256 KiB that are the callback's until it returns.
func (w *Worker) Buffer() []byte {
	if w.buffer == nil {
		w.buffer = make([]byte, bufferSize)
	}
	return w.buffer
}

// Block says that the callback is about to wait for something: the loop goes on
// without it at once. The callback may go on as it likes, and may call Block again.
func (w *Worker) Block() { w.loop.takeOver(w.turn, nil) }

// run is the worker's goroutine. It ends when the loop has no entries, or another
// worker owns it.
func (w *Worker) run() {
	for w.round() {
	}
	l := w.loop
	w.loop = nil
	workers.Put(w)
	l.mu.Lock()
	l.workers--
	l.mu.Unlock()
}

// round calls all that is ready. It reports whether the worker still owns the loop.
func (w *Worker) round() bool {
	if w.stalled != nil && !w.stall() {
		return false
	}
	for _, ev := range w.events[:w.wait()] {
		if !w.deliver(ev) {
			return false
		}
	}
	return w.flushAll() && w.expire() && !w.loop.end()
}

// wait returns the number of events, 0 if there is something else to do.
func (w *Worker) wait() (n int) {
	l := w.loop
	if !w.slept || l.batch.first != nil {
		if n = l.poll(w.events[:]); n > 0 || l.batch.first != nil {
			w.yield(n)
			return n
		}
	}
	n, w.slept = l.park(w.events[:])
	if w.slept {
		w.busy = 0
	}
	return n
}

// yield lets other goroutines go first now and then while there is always
// something to do.
func (w *Worker) yield(n int) {
	if w.busy += n; w.busy >= yieldAfter {
		w.busy = 0
		runtime.Gosched()
	}
}

// deliver calls Ready for one event.
func (w *Worker) deliver(ev syscall.EpollEvent) bool {
	if ev.Fd < 0 {
		return true
	}
	e := entries.find(int(ev.Fd), uint32(ev.Pad))
	if e == nil {
		return true
	}
	events := eventsOf(ev.Events)
	if !e.enter(ready, ready|flushing) {
		return w.postpone(e, events)
	}
	w.begin(e, ready)
	e.target.Ready(w, events)
	owner := w.done(e, ready)
	if events&Hangup == 0 && e.state.Load()&(oneshot|closed) == oneshot {
		e.rearm()
	}
	return owner
}

func eventsOf(bits uint32) (ev Events) {
	if bits&(syscall.EPOLLHUP|syscall.EPOLLERR|syscall.EPOLLRDHUP) != 0 {
		ev |= Readable | Hangup
	}
	if bits&syscall.EPOLLIN != 0 {
		ev |= Readable
	}
	if bits&(syscall.EPOLLOUT|syscall.EPOLLERR) != 0 {
		ev |= Writable
	}
	return ev
}

// postpone is deliver for an entry with a late Ready or Flush, or a closed one.
func (w *Worker) postpone(e *Entry, events Events) bool {
	if e.state.Load()&closed != 0 {
		return true
	}
	if events&Readable != 0 {
		e.mute()
	}
	if events&Writable == 0 {
		return true
	}
	e.state.Or(queued)
	owner := w.flush(e)
	if events&Hangup == 0 && e.state.Load()&(oneshot|closed) == oneshot {
		e.rearm()
	}
	return owner
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

// flushAll calls Flush for what was scheduled before.
func (w *Worker) flushAll() bool {
	w.loop.refill()
	for e := w.loop.batch.pop(); e != nil; e = w.loop.batch.pop() {
		if !w.flush(e) {
			return false
		}
	}
	return true
}

// flush calls Flush of a queued entry.
func (w *Worker) flush(e *Entry) bool {
	if !e.enterFlush() {
		return true
	}
	w.begin(e, flushing)
	e.target.Flush(w)
	return w.done(e, flushing)
}

// expire calls Timer for the entries whose time has come.
func (w *Worker) expire() bool {
	w.loop.mu.Lock()
	next := w.loop.timers.next()
	w.loop.mu.Unlock()
	if next == 0 {
		return true
	}
	now := time.Now()
	ns := int64(now.Sub(start))
	for next <= ns {
		e := w.loop.due(ns)
		if e == nil {
			break
		}
		if !e.enter(timing, timing) {
			continue
		}
		w.begin(e, timing)
		e.target.Timer(now)
		if !w.done(e, timing) {
			return false
		}
	}
	return true
}

// stall tells a target that its Ready is late.
func (w *Worker) stall() bool {
	e := w.stalled
	w.stalled = nil
	if e.state.Load()&closed != 0 {
		return true
	}
	w.begin(e, 0)
	e.target.Stalled()
	return w.done(e, 0)
}

// begin makes the callback known, so that the loop can go on without it.
func (w *Worker) begin(e *Entry, inside uint32) {
	l := w.loop
	l.running, l.inside = e, inside
	w.turn++
	l.turn.Store(w.turn)
	keepWatch()
}

// done ends a callback. It reports whether the worker still owns the loop.
func (w *Worker) done(e *Entry, inside uint32) bool {
	owner := w.loop.turn.CompareAndSwap(w.turn, w.turn+1)
	w.turn++
	e.leave(inside)
	return owner
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

// enterFlush is enter for Flush. During a late Flush it asks for another.
func (e *Entry) enterFlush() bool {
	for {
		s := e.state.Load()
		next := s&^queued | flushing
		switch {
		case s&closed != 0:
			return false
		case s&flushing != 0:
			next = s | again
		}
		if e.state.CompareAndSwap(s, next) {
			return s&flushing == 0
		}
	}
}

// leave clears the bit of a callback and catches up on what waited for its end.
func (e *Entry) leave(inside uint32) {
	s := e.state.And(^inside)
	if s&closed != 0 {
		return
	}
	if s&muted != 0 {
		e.unmute()
	}
	if inside == flushing && s&again != 0 {
		e.state.And(^uint32(again))
		e.loop.enqueue(e) // it is still queued
	}
}
