//go:build linux

package poller

import (
	"errors"
	"sync/atomic"
	"syscall"
	"time"
)

// Available reports whether the system has the poller.
const Available = true

// An Entry is a socket's place in a loop. It is embedded in the connection, is
// registered once, and must not be copied. All methods but Register may be called
// at once, after Register was.
type Entry struct {
	// Constant after Register.
	target Target
	loop   *loop
	fd     int32
	gen    uint32 // of the descriptor, whose number may be used again

	state atomic.Uint32 // bits below, and references to the descriptor

	// Guarded by loop.mu.
	watch    Events // what is watched: Readable, Writable
	place    int32  // in the heap of timers, from 1; 0 is none
	deadline int64  // since start; 0 is none

	// Owned by who has set the bit queued, then by the list.
	next *Entry
}

var generation atomic.Uint32

// Register takes over fd, a non-blocking socket, which Close closes, and watches
// it for reading. Callbacks of t may begin before Register returns. After an error,
// which is that of the system, fd is still the caller's.
func (e *Entry) Register(fd int, t Target) error { return e.register(leastLoaded(), fd, t) }

func (e *Entry) register(l *loop, fd int, t Target) error {
	if fd < 0 || e.loop != nil {
		return errors.New("poller: registered already, or no descriptor")
	}
	e.target, e.fd, e.gen, e.watch = t, int32(fd), generation.Add(1), Readable
	e.state.Store(reference)
	e.loop = l
	if err := l.add(e); err != nil {
		e.state.Store(closed)
		return err
	}
	return nil
}

// CloseWrite sends the end of what is written. If that fails, so does Read.
func (e *Entry) CloseWrite() {
	if e.acquire() {
		_ = syscall.Shutdown(int(e.fd), syscall.SHUT_WR)
		e.release()
	}
}

// Close has the loop begin no callback any more. The descriptor is closed at once,
// or when the calls of Read and Write under way have returned. Close does not wait
// for callbacks, may be called inside one, and does nothing but the first time.
func (e *Entry) Close() {
	if e.loop == nil || e.state.Or(closed)&closed != 0 {
		return
	}
	e.loop.remove(e)
	e.release()
}

// WatchReadable sets whether Ready is called when the socket is readable. While it
// is not, that the connection is gone in both directions is still told, once.
func (e *Entry) WatchReadable(on bool) { e.watchFor(Readable, on) }

// WatchWritable sets whether Ready is called when the socket is writable.
func (e *Entry) WatchWritable(on bool) { e.watchFor(Writable, on) }

func (e *Entry) watchFor(ev Events, on bool) {
	e.loop.mu.Lock()
	defer e.loop.mu.Unlock()
	watch := e.watch &^ ev
	if on {
		watch |= ev
	}
	if watch != e.watch {
		e.watch = watch
		e.apply()
	}
}

// apply tells epoll what is watched. The caller holds loop.mu.
func (e *Entry) apply() {
	if e.state.Load()&closed == 0 {
		_ = e.control(syscall.EPOLL_CTL_MOD) // it cannot fail for a descriptor in the set
	}
}

func (e *Entry) control(op int) error {
	ev := syscall.EpollEvent{Fd: e.fd, Pad: int32(e.gen)}
	if e.watch&Readable != 0 && e.state.Load()&muted == 0 {
		ev.Events |= syscall.EPOLLIN | syscall.EPOLLRDHUP
		e.state.And(^uint32(oneshot))
	} else {
		// A connection that is gone would be told of for ever.
		ev.Events |= epollOneshot
		e.state.Or(oneshot)
	}
	if e.watch&Writable != 0 {
		ev.Events |= syscall.EPOLLOUT
	}
	return syscall.EpollCtl(e.loop.epfd, op, int(e.fd), &ev)
}

// rearm watches again for writability after an event that was the last of its
// kind, unless the connection is gone.
func (e *Entry) rearm() {
	e.loop.mu.Lock()
	defer e.loop.mu.Unlock()
	if e.watch&Writable != 0 && e.state.Load()&(oneshot|gone) == oneshot {
		e.apply()
	}
}

// Schedule has Flush called soon: at the end of the current round of the loop, or
// at once if the loop is waiting. Those of a loop are called in the order they were
// scheduled. It never blocks and may be called anywhere, with locks held that the
// target uses.
func (e *Entry) Schedule() {
	if e.loop == nil || e.state.Or(queued)&(queued|closed) != 0 {
		return
	}
	e.loop.enqueue(e)
}

// SetTimer has Timer called at the given time or soon after, instead of the time
// set before. The zero time is none.
func (e *Entry) SetTimer(at time.Time) {
	if e.loop == nil {
		return
	}
	if at.IsZero() {
		e.loop.setTimer(e, 0)
		return
	}
	e.loop.setTimer(e, max(1, int64(at.Sub(start))))
}

// start is what deadlines are counted from, in nanoseconds.
var start = time.Now()
