//go:build linux

package poller

import (
	"sync/atomic"
	"time"
)

const (
	// watchPeriod is the time between two looks at the loops.
	watchPeriod = 5 * time.Millisecond

	// lateAfter is how many looks find the same callback before it is late.
	lateAfter = 3

	// quietAfter is how many looks in a row find nothing before they end.
	quietAfter = 20
)

// watching is set while the goroutine that looks for late callbacks is alive.
var watching atomic.Bool

// keepWatch has late callbacks looked for. It is called after a turn has become
// odd, and is what a monitor that ends looks for after it has cleared watching.
func keepWatch() {
	if !watching.Load() && watching.CompareAndSwap(false, true) {
		go watchLoops()
	}
}

// A sight is what the monitor has seen of a loop.
type sight struct {
	turn  uint64
	times int
}

// watchLoops looks for late callbacks until nothing happens any more.
func watchLoops() {
	all := loops()
	seen := make([]sight, len(all))
	timer := time.NewTimer(watchPeriod)
	defer timer.Stop()
	for quiet := 0; ; timer.Reset(watchPeriod) {
		<-timer.C
		quiet++
		for i, l := range all {
			if l.look(&seen[i]) {
				quiet = 0
			}
		}
		if (quiet >= quietAfter || noneAlive(all)) && leave(all) {
			return
		}
	}
}

// look reports whether the loop has done something since the last look, or is in
// a callback; a late one it leaves behind.
func (l *loop) look(s *sight) bool {
	turn := l.turn.Load()
	if turn != s.turn {
		*s = sight{turn: turn}
		return true
	}
	if turn%2 == 0 {
		return false
	}
	s.times++
	if s.times >= lateAfter-1 {
		l.takeOver(turn, func(e *Entry, inside uint32) *Entry {
			if inside == ready {
				return e
			}
			return nil
		})
	}
	return true
}

func noneAlive(all []*loop) bool {
	for _, l := range all {
		l.mu.Lock()
		alive := l.alive
		l.mu.Unlock()
		if alive {
			return false
		}
	}
	return true
}

// leave reports whether the monitor may end. A callback that began before watching
// was cleared may rely on this monitor, a later one starts another.
func leave(all []*loop) bool {
	watching.Store(false)
	for _, l := range all {
		if l.turn.Load()%2 == 1 {
			return !watching.CompareAndSwap(false, true)
		}
	}
	return true
}

// takeOver has another worker own the loop if the callback that began the turn is
// still under way and the bound on workers allows it.
func (l *loop) takeOver(turn uint64, stalled func(*Entry, uint32) *Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.workers >= maxWorkers || !l.turn.CompareAndSwap(turn, turn+1) {
		return
	}
	l.workers++
	w := newWorker(l, turn+1)
	if stalled != nil {
		w.stalled = stalled(l.running, l.inside)
	}
	go w.run()
}
