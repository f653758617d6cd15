//go:build linux

package poller

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Flush is called after every Schedule, once for all of those before it begins.
func TestSchedule(t *testing.T) {
	const goroutines, rounds = 8, 500
	var scheduled, flushed atomic.Int64
	all := make(chan struct{})
	done := sync.OnceFunc(func() { close(all) })
	p := &probe{}
	p.onFlush = func(*Worker) {
		flushed.Store(scheduled.Load())
		if flushed.Load() == goroutines*rounds {
			done()
		}
	}
	p.watch(t)
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for range rounds {
				scheduled.Add(1)
				p.Schedule()
			}
		})
	}
	wg.Wait()
	<-all
	if got := p.flushes.Load(); got > goroutines*rounds {
		t.Errorf("%d calls of Flush for %d of Schedule", got, goroutines*rounds)
	}
}

// Schedule inside Ready, with a lock that Flush takes, is one Flush after it.
func TestScheduleInside(t *testing.T) {
	var mu sync.Mutex
	calls := make(chan string, 8)
	p := &probe{}
	p.onReady = func(w *Worker, _ Events) {
		mu.Lock()
		defer mu.Unlock()
		p.drop(w)
		for range 3 {
			p.Schedule()
		}
		calls <- "ready"
	}
	p.onFlush = func(*Worker) {
		mu.Lock()
		defer mu.Unlock()
		calls <- "flush"
	}
	client := p.watch(t)
	for range 100 {
		send(t, client, "x")
		if a, b := <-calls, <-calls; a != "ready" || b != "flush" {
			t.Fatalf("callbacks = %s, %s, want ready, flush", a, b)
		}
	}
	if got := p.flushes.Load(); got != 100 {
		t.Errorf("%d calls of Flush, want 100", got)
	}
}

// The entries of a loop are flushed in the order they were scheduled.
func TestScheduleOrder(t *testing.T) {
	var order []int
	done := make(chan struct{})
	others := make([]*probe, 20)
	first := &probe{}
	first.onReady = func(w *Worker, _ Events) {
		first.drop(w)
		for i := range others {
			others[i*7%len(others)].Schedule()
		}
	}
	client := first.watch(t)
	for i := range others {
		others[i] = &probe{onFlush: func(*Worker) {
			if order = append(order, i); len(order) == len(others) {
				close(done)
			}
		}}
		others[i].watchBeside(t, first)
	}
	send(t, client, "x")
	<-done
	for i, got := range order {
		if want := i * 7 % len(others); got != want {
			t.Fatalf("order = %v, want %d at %d", order, want, i)
		}
	}
}

// Timers of a loop come in the order of their times, none before its time, and
// those unset or set anew not at all.
func TestTimers(t *testing.T) {
	type call struct {
		i   int
		now time.Time
	}
	calls := make(chan call, 64)
	begin := time.Now()
	at := func(i int) time.Time { return begin.Add(time.Duration(i) * time.Millisecond) }
	first := &probe{}
	first.watch(t)
	for i := range 20 {
		i = i * 7 % 20
		p := &probe{onTimer: func(now time.Time) { calls <- call{i, now} }}
		p.watchBeside(t, first)
		p.SetTimer(at(500))
		p.SetTimer(at(i))
		if i%5 == 4 {
			p.SetTimer(time.Time{})
		}
	}
	var got []int
	for range 16 {
		c := <-calls
		if got = append(got, c.i); c.now.Before(at(c.i)) || time.Now().Before(at(c.i)) {
			t.Errorf("the timer of %v came at %v", at(c.i), c.now)
		}
	}
	late := time.Now().After(at(0)) // all were set after the first time had come
	if !late && !slices.IsSorted(got) {
		t.Errorf("timers came in the order %v", got)
	}
	select {
	case c := <-calls:
		t.Errorf("timer %d came though it was not set", c.i)
	default:
	}
}

// A time that has come already is called at once, and may be set in Timer without
// holding up what else there is to do.
func TestTimerSetInside(t *testing.T) {
	stop := make(chan struct{})
	p := &probe{}
	p.onTimer = func(now time.Time) { p.SetTimer(now.Add(-time.Second)) }
	p.onReady = func(w *Worker, _ Events) {
		p.drop(w)
		p.SetTimer(time.Time{})
		close(stop)
	}
	client := p.watch(t)
	p.SetTimer(time.Unix(1, 0))
	send(t, client, "x")
	<-stop
}

// Callbacks may register and close others, and close their own.
func TestCallbacksChangeEntries(t *testing.T) {
	done := make(chan struct{})
	victim := &probe{}
	victim.watch(t)
	late := &probe{}
	lateClient, lateServer := pair(t)
	late.t = t
	late.onReady = func(w *Worker, _ Events) {
		late.drop(w)
		late.Close()
		close(done)
	}
	p := &probe{}
	p.onReady = func(w *Worker, _ Events) {
		p.drop(w)
		victim.Close()
		register(t, &late.Entry, lateServer, late)
		p.Close()
		victim.Schedule()
		p.Schedule()
	}
	client := p.watch(t)
	send(t, lateClient, "x")
	send(t, client, "x")
	<-done
	if p.flushes.Load()+victim.flushes.Load() != 0 {
		t.Error("Flush was called after Close")
	}
}

// What is ready and nobody reads is told again; what is not watched is not.
func TestWatchReadable(t *testing.T) {
	calls, stop := make(chan Events), make(chan struct{})
	defer close(stop)
	p := &probe{}
	p.onReady = func(_ *Worker, ev Events) {
		select {
		case calls <- ev:
		case <-stop:
		}
	}
	client := p.watch(t)
	send(t, client, "x")
	for range 3 {
		if ev := <-calls; ev != Readable {
			t.Fatalf("Ready(%v), want readable", ev)
		}
	}
	p.WatchReadable(false)
	select {
	case <-calls: // it was under way
	case <-rounds(p, 1):
	}
	<-rounds(p, 2)
	before := p.readies.Load()
	<-rounds(p, 3)
	if got := p.readies.Load(); got != before {
		t.Errorf("%d calls of Ready while nothing was watched", got-before)
	}
	p.WatchReadable(true)
	<-calls
}

// rounds returns a channel that is closed when p's loop has gone round n times.
func rounds(p *probe, n int) <-chan struct{} {
	come := make(chan struct{})
	p.onTimer = func(now time.Time) {
		if n--; n == 0 {
			close(come)
			return
		}
		p.SetTimer(now)
	}
	p.SetTimer(time.Now())
	return come
}
