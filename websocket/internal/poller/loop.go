//go:build linux

package poller

import (
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
)

// A loop waits for the sockets of its entries and calls their targets. One worker
// at a time owns it.
type loop struct {
	// Even if no callback is under way that is not late. It grows by one when the
	// owner begins a callback, and when that ends or the loop goes on without it:
	// whoever makes it even owns the loop from then on.
	turn atomic.Uint64

	load atomic.Int32 // entries, for leastLoaded

	// Owned by the loop's owner.
	running *Entry // the callback's while turn is odd
	inside  uint32 // the callback: ready, flushing, timing, or 0 for Stalled
	batch   list   // to be flushed in this round

	mu sync.Mutex

	// Guarded by mu.
	entries int
	workers int  // goroutines, the late ones too
	alive   bool // it has an owner, and waiter is open
	dirty   list // to be flushed after batch
	timers  timers

	waiter
}

// A list is a first-in-first-out list of queued entries.
type list struct{ first, last *Entry }

func (l *list) push(e *Entry) {
	if l.first == nil {
		l.first = e
	} else {
		l.last.next = e
	}
	l.last = e
}

func (l *list) pop() *Entry {
	e := l.first
	if e != nil {
		l.first, e.next = e.next, nil
	}
	return e
}

// loops has one loop for each processor at the time it was first used.
var loops = sync.OnceValue(func() []*loop {
	all := make([]*loop, runtime.GOMAXPROCS(0))
	for i := range all {
		all[i] = new(loop)
	}
	return all
})

var lastLoop atomic.Uint32

// leastLoaded returns a loop with the fewest entries.
func leastLoaded() *loop {
	all := loops()
	from := int(lastLoop.Add(1) % uint32(len(all)))
	best := all[from]
	for i := 1; i < len(all) && best.load.Load() > 0; i++ {
		if l := all[(from+i)%len(all)]; l.load.Load() < best.load.Load() {
			best = l
		}
	}
	return best
}

// add makes e one of the loop's entries, and gives the loop an owner if it has none.
func (l *loop) add(e *Entry) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.alive {
		if err := l.open(); err != nil {
			return err
		}
	}
	entries.put(e)
	if err := e.control(syscall.EPOLL_CTL_ADD); err != nil {
		entries.drop(e)
		if !l.alive {
			l.shut()
		}
		return os.NewSyscallError("epoll_ctl", err)
	}
	l.entries++
	l.load.Add(1)
	if !l.alive {
		l.alive = true
		l.workers++
		go newWorker(l, l.turn.Load()).run()
	}
	return nil
}

// remove takes e, which has the bit closed, out of the loop.
func (l *loop) remove(e *Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	// Another descriptor of the same socket would keep it in the set.
	_ = syscall.EpollCtl(l.epfd, syscall.EPOLL_CTL_DEL, int(e.fd), &syscall.EpollEvent{})
	entries.drop(e)
	l.timers.set(e, 0)
	l.entries--
	l.load.Add(-1)
	if l.entries == 0 {
		l.wake()
	}
}

// enqueue has e flushed. The caller has set its bit queued.
func (l *loop) enqueue(e *Entry) {
	l.mu.Lock()
	if l.alive { // else e is closed by now
		l.dirty.push(e)
		l.wake()
	}
	l.mu.Unlock()
}

func (l *loop) setTimer(e *Entry, deadline int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e.deadline != deadline {
		l.setTimerLocked(e, deadline)
	}
}

func (l *loop) setTimerLocked(e *Entry, deadline int64) {
	if e.state.Load()&closed != 0 {
		return
	}
	l.timers.set(e, deadline)
	if deadline != 0 && (l.until == 0 || deadline < l.until) {
		l.wake() // to wait no longer than until then
	}
}

// catchUp has Timer called for a time that came while Timer was late, unless
// another has been set since.
func (l *loop) catchUp(e *Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e.deadline == 0 {
		l.setTimerLocked(e, 1)
	}
}

// refill moves what was scheduled to batch, when nothing is left there. It returns
// the earliest deadline, and false if the loop has no entries and was given up.
func (l *loop) refill() (earliest int64, alive bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.entries == 0 {
		l.shut()
		l.alive = false
		l.batch, l.dirty = list{}, list{}
		return 0, false
	}
	if l.batch.first == nil {
		l.batch, l.dirty = l.dirty, list{}
	}
	return l.timers.next(), true
}

// timed returns how many entries have a deadline.
func (l *loop) timed() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.timers)
}

// due takes out an entry whose time has come by now, nil if there is none.
func (l *loop) due(now int64) *Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	if next := l.timers.next(); next == 0 || next > now {
		return nil
	}
	e := l.timers[0]
	l.timers.set(e, 0)
	return e
}

// park waits for events until something was scheduled or a time has come. It
// reports whether it had to wait.
func (l *loop) park(events []syscall.EpollEvent) (n int, slept bool) {
	l.mu.Lock()
	if l.dirty.first != nil || l.entries == 0 {
		l.mu.Unlock()
		return 0, false
	}
	l.prepare(l.timers.next())
	l.mu.Unlock()

	n, slept = l.wait(events)

	l.mu.Lock()
	l.waiting = false
	l.mu.Unlock()
	return n, slept
}
