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

var idleWorkers = sync.Pool{New: func() any { return new(Worker) }}

// newWorker returns one that owns the loop, whose turn it has.
func newWorker(l *loop, turn uint64) *Worker {
	w := idleWorkers.Get().(*Worker)
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
	idleWorkers.Put(w)
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
	deadline, alive := w.loop.refill()
	return alive && w.flushAll() && w.expire(deadline)
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
	e := entries.find(int(ev.Fd), uint32(ev.Pad))
	if e == nil {
		return true
	}
	events := eventsOf(ev.Events)
	if events&Hangup != 0 && e.state.Load()&oneshot != 0 {
		e.state.Or(gone)
	}
	if !e.enter(ready, ready|flushing) {
		e.postpone(events)
		return true
	}
	w.begin(e, ready)
	e.target.Ready(w, events)
	return w.done(e, ready)
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

// postpone is for events of an entry with a late Ready or Flush, or a closed one.
// Writability is watched again after the Flush.
func (e *Entry) postpone(events Events) {
	if e.state.Load()&closed != 0 {
		return
	}
	e.mute()
	if events&Writable != 0 {
		e.Schedule()
	}
}

// flushAll calls Flush for what was scheduled before.
func (w *Worker) flushAll() bool {
	for e := w.loop.batch.pop(); e != nil; e = w.loop.batch.pop() {
		if !e.enterOr(flushing, again) {
			continue
		}
		w.begin(e, flushing)
		e.target.Flush(w)
		if !w.done(e, flushing) {
			return false
		}
	}
	return true
}

// expire calls Timer for the entries whose time has come, if the earliest has.
func (w *Worker) expire(earliest int64) bool {
	if earliest == 0 {
		return true
	}
	now := time.Now()
	ns := int64(now.Sub(start))
	if earliest > ns {
		return true
	}
	// A target whose Timer sets a time that has come must not keep the loop here.
	for range w.loop.timed() {
		e := w.loop.due(ns)
		if e == nil {
			break
		}
		if !e.enterOr(timing, overdue) {
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
