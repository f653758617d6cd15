//go:build linux

package poller

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A Ready that blocks does not stop the others of its loop. Its target is told,
// is flushed and timed beside it, and what it is sent comes after it, in order.
func TestLateReady(t *testing.T) {
	for name, block := range map[string]func(*probe, *Worker){
		"found": func(*probe, *Worker) {},
		"said":  func(p *probe, w *Worker) { p.late.Store(true); w.Block() },
	} {
		t.Run(name, func(t *testing.T) { testLateReady(t, block) })
	}
}

func testLateReady(t *testing.T, block func(*probe, *Worker)) {
	blocked, release, got := make(chan struct{}), make(chan struct{}), make(chan string)
	flushed, timed := make(chan struct{}), make(chan struct{})
	p := &probe{}
	p.onReady = func(w *Worker, _ Events) {
		n, err := p.Read(w.Buffer())
		if err != nil {
			return
		}
		mine := w.Buffer()[:n]
		if p.readies.Load() == 1 {
			block(p, w)
			close(blocked)
			<-release
		}
		got <- string(mine)
	}
	p.onFlush = func(*Worker) { close(flushed) }
	p.onTimer = func(time.Time) { close(timed) }
	client := p.watch(t)
	send(t, client, "first")
	<-blocked
	send(t, client, "second")

	heard := make(chan struct{})
	other := &probe{}
	other.onReady = func(w *Worker, _ Events) {
		if other.drop(w) > 0 {
			heard <- struct{}{}
		}
	}
	otherClient := other.watchBeside(t, p)
	for range 10 {
		send(t, otherClient, "x")
		<-heard
	}
	if !p.late.Load() {
		t.Error("the loop went on though Stalled was not called")
	}
	p.Schedule()
	<-flushed
	p.SetTimer(time.Now())
	<-timed
	if got := p.readies.Load(); got != 1 {
		t.Errorf("%d calls of Ready, want 1 that has not returned", got)
	}
	close(release)
	if a, b := <-got, <-got; a != "first" || b != "second" {
		t.Errorf("Ready read %q, %q, want first, second", a, b)
	}
	if stalls := p.stalls.Load(); stalls > 1 {
		t.Errorf("Stalled was called %d times, want at most once", stalls)
	}
}

// What is scheduled and due while a Flush and a Timer are late comes after them,
// and so does Ready.
func TestLateFlushAndTimer(t *testing.T) {
	blocked, release := make(chan struct{}, 2), make(chan struct{})
	calls := make(chan string, 8)
	wait := func(w *Worker) {
		blocked <- struct{}{}
		<-release
	}
	p := &probe{}
	p.onReady = func(w *Worker, _ Events) {
		if p.drop(w) > 0 {
			calls <- "ready"
		}
	}
	p.onFlush = func(w *Worker) {
		if p.flushes.Load() == 1 {
			wait(w)
		}
		calls <- "flush"
	}
	p.onTimer = func(time.Time) {
		if p.timerCalls.Load() == 1 {
			wait(nil)
		}
		calls <- "timer"
	}
	client := p.watch(t)
	p.Schedule()
	<-blocked
	p.SetTimer(time.Now())
	<-blocked
	other := &probe{}
	otherClient := other.watchBeside(t, p)
	heard := make(chan struct{}, 1)
	other.onFlush = func(*Worker) { heard <- struct{}{} }
	for range 5 {
		p.Schedule()
		p.SetTimer(time.Now())
		send(t, client, "x")
		other.Schedule()
		<-heard
	}
	_ = otherClient
	if len(calls) > 0 {
		t.Errorf("%s was called beside a late Flush and Timer", <-calls)
	}
	close(release)
	count := map[string]int{}
	for count["flush"] < 2 || count["timer"] < 2 || count["ready"] < 1 {
		count[<-calls]++
	}
}

// Writability is told to a target with a late Ready as a Flush, and not before
// there is room.
func TestLateReadyWritable(t *testing.T) {
	blocked, release := make(chan struct{}), make(chan struct{})
	defer close(release)
	p := &probe{}
	p.onReady = func(w *Worker, _ Events) {
		p.late.Store(true)
		w.Block()
		close(blocked)
		<-release
		p.drop(w)
	}
	client := p.watch(t)
	send(t, client, "x")
	<-blocked
	fill(t, &p.Entry)
	const size = 8 << 20
	left := size
	written := make(chan struct{})
	p.onFlush = func(*Worker) {
		n, err := p.Write(make([]byte, min(left, 1<<20)))
		if n == 0 {
			t.Errorf("Write in Flush = %v, want room", err)
		}
		if left -= n; left == 0 {
			p.WatchWritable(false)
			close(written)
		}
	}
	p.WatchWritable(true)
	other := &probe{}
	other.watchBeside(t, p)
	<-rounds(other, 20)
	go discard(client)
	<-written
}

// With all workers of a loop late it waits until one has returned.
func TestWorkersBound(t *testing.T) {
	release, blocked := make(chan struct{}), make(chan int, maxWorkers+1)
	var inside atomic.Int32
	first := &probe{}
	first.watch(t)
	for i := range maxWorkers + 1 {
		p := &probe{}
		p.onReady = func(w *Worker, _ Events) {
			if p.drop(w) == 0 {
				return
			}
			if n := inside.Add(1); n > maxWorkers {
				t.Errorf("%d callbacks at once, want at most %d", n, maxWorkers)
			}
			p.late.Store(true)
			w.Block()
			blocked <- i
			<-release
			inside.Add(-1)
		}
		send(t, p.watchBeside(t, first), "x")
	}
	for range maxWorkers {
		<-blocked
	}
	first.loop.mu.Lock()
	workers := first.loop.workers
	first.loop.mu.Unlock()
	if workers != maxWorkers {
		t.Errorf("the loop has %d workers, want %d", workers, maxWorkers)
	}
	release <- struct{}{}
	<-blocked
	close(release)
	<-rounds(first, 2)
}

// Late callbacks of many targets keep the order of each one's bytes.
func TestLateStress(t *testing.T) {
	const targets, size = 24, 400
	sent := strings.Repeat("0123456789", size/10)
	var all sync.WaitGroup
	for i := range targets {
		all.Add(1)
		var got strings.Builder
		p := &probe{}
		p.onReady = func(w *Worker, _ Events) {
			if (int(p.readies.Load())+i)%3 == 0 {
				p.late.Store(true)
				w.Block()
			}
			buf := w.Buffer()[:7]
			n, err := p.Read(buf)
			if err != nil {
				return
			}
			got.Write(buf[:n])
			p.Schedule()
			if got.Len() == len(sent) {
				if got.String() != sent {
					t.Errorf("target %d read %q", i, got.String())
				}
				all.Done()
			}
		}
		client := p.watch(t)
		go func() {
			for i := range sent {
				_, _ = client.Write([]byte(sent[i : i+1]))
			}
		}()
	}
	all.Wait()
}
