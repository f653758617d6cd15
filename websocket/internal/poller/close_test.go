//go:build linux

package poller

import (
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The descriptor is closed when the last call that uses it has returned.
func TestCloseWaitsForUse(t *testing.T) {
	p := &probe{}
	p.watch(t)
	fd := int(p.fd)
	if !p.acquire() {
		t.Fatal("acquire = false")
	}
	p.Close()
	if !isOpen(fd) {
		t.Fatal("Close closed a descriptor in use")
	}
	if _, err := p.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Read after Close = %v, want net.ErrClosed", err)
	}
	p.release()
	if isOpen(fd) {
		t.Error("the descriptor is open after its last use")
	}
	if _, err := p.Write(nil); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Write after Close = %v, want net.ErrClosed", err)
	}
	if _, err := p.Writev(nil); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Writev after Close = %v, want net.ErrClosed", err)
	}
	if p.LocalAddr() != nil || p.RemoteAddr() != nil {
		t.Error("a closed entry has addresses")
	}
	p.Close()
	p.CloseWrite()
	p.Schedule()
	p.WatchReadable(false)
	p.WatchWritable(true)
	p.SetTimer(time.Now())
}

// The zero entry is like a closed one.
func TestUnregistered(t *testing.T) {
	var e Entry
	e.Close()
	e.Schedule()
	e.SetTimer(time.Now())
	e.CloseWrite()
	if _, err := e.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Read = %v, want net.ErrClosed", err)
	}
}

// An event of a descriptor's former owner does not reach the present one.
func TestStaleEvent(t *testing.T) {
	p := &probe{}
	p.watch(t)
	if e := entries.find(int(p.fd), p.gen); e != &p.Entry {
		t.Errorf("find = %p, want %p", e, &p.Entry)
	}
	w := newWorker(p.loop, 0)
	stale := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: p.fd, Pad: int32(p.gen - 1)}
	for _, ev := range []syscall.EpollEvent{stale, {Fd: 1 << 30}, {Fd: p.fd + 1, Pad: int32(p.gen)}} {
		if !w.deliver(ev) {
			t.Errorf("deliver(%v) lost the loop", ev)
		}
	}
	if n := p.readies.Load(); n != 0 {
		t.Errorf("%d calls of Ready for a stale event", n)
	}
}

// Close at any moment, of any number of goroutines, while all else goes on: all
// ends and no descriptor is left.
func TestCloseRaces(t *testing.T) {
	before := openDescriptors(t)
	const rounds, atOnce = 40, 16
	for range rounds {
		var all sync.WaitGroup
		clients := make([]net.Conn, atOnce)
		for i := range clients {
			p := &probe{t: t}
			p.onReady = func(w *Worker, _ Events) {
				if n := p.drop(w); n > 0 {
					_, _ = p.Write(w.Buffer()[:n])
					p.Schedule()
				}
			}
			p.onFlush = func(*Worker) { p.SetTimer(time.Now()) }
			client, server := pair(t)
			clients[i] = client
			register(t, &p.Entry, server, p)
			all.Go(func() { _, _ = client.Write(make([]byte, 1000)) })
			all.Go(func() {
				var b [1]byte
				for range i {
					_, _ = client.Read(b[:])
				}
				p.Close()
			})
			all.Go(p.Schedule)
			all.Go(func() { p.SetTimer(time.Now()) })
			all.Go(func() { p.WatchWritable(true); p.WatchReadable(false); p.WatchReadable(true) })
			all.Go(func() { _, _ = p.Writev([][]byte{{1}, {2}}) })
			if i%2 == 0 {
				all.Go(p.Close)
			}
		}
		all.Wait()
		for _, c := range clients {
			c.Close()
		}
	}
	if left := leftGoroutines(); len(left) > 0 {
		t.Fatalf("%d goroutines are left:\n%s", len(left), strings.Join(left, "\n\n"))
	}
	if after := openDescriptors(t); after > before+1 { // Go's own
		t.Errorf("%d descriptors are open, %d were before", after, before)
	}
}

// A connection that is gone in both directions is told of once while reading is
// not watched, with writing watched or not.
func TestHangupOnce(t *testing.T) {
	for _, writable := range []bool{false, true} {
		told := make(chan Events, 100)
		p := &probe{}
		p.onReady = func(_ *Worker, ev Events) {
			if ev&Hangup != 0 {
				told <- ev
			}
		}
		client := p.watch(t)
		p.WatchReadable(false)
		fill(t, &p.Entry)
		p.WatchWritable(writable)
		if err := client.SetLinger(0); err != nil {
			t.Fatal(err)
		}
		client.Close() // with a reset
		if ev := <-told; ev&Readable == 0 {
			t.Errorf("Ready(%b), want Readable too", ev)
		}
		<-rounds(p, 3)
		if n := len(told); n > 0 {
			t.Errorf("a hangup was told of %d times (writable = %v)", n+1, writable)
		}
		if _, err := p.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("Read = %v, want ECONNRESET", err)
		}
		p.Close()
	}
}

// The end of what the peer sends is io.EOF; the other direction goes on until
// CloseWrite.
func TestHalfClose(t *testing.T) {
	ended := make(chan error, 1)
	p := &probe{}
	p.onReady = func(w *Worker, ev Events) {
		if _, err := p.Read(w.Buffer()); err != nil {
			p.WatchReadable(false)
			_, _ = p.Write([]byte("bye"))
			p.CloseWrite()
			ended <- err
		}
	}
	client := p.watch(t)
	if err := client.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != io.EOF {
		t.Errorf("Read = %v, want EOF", err)
	}
	if got, err := io.ReadAll(client); string(got) != "bye" || err != nil {
		t.Errorf("ReadAll = %q, %v, want bye", got, err)
	}
}

// All goroutines and descriptors are gone after the last Close, and come again.
func TestEnd(t *testing.T) {
	before := openDescriptors(t)
	for range 3 {
		p := &probe{}
		client := p.watch(t)
		client.Close()
		p.Close()
		if left := leftGoroutines(); len(left) > 0 {
			t.Fatalf("%d goroutines are left:\n%s", len(left), strings.Join(left, "\n\n"))
		}
	}
	if after := openDescriptors(t); after > before+1 { // Go's own
		t.Errorf("%d descriptors are open, %d were before", after, before)
	}
}

const panicking = "POLLER_PANIC"

// A panic in a callback ends the program, as in any goroutine.
func TestPanic(t *testing.T) {
	if os.Getenv(panicking) != "" {
		p := &probe{onFlush: func(*Worker) { panic("as it should") }}
		p.watch(t)
		p.Schedule()
		select {}
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestPanic$")
	cmd.Env = append(os.Environ(), panicking+"=1")
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "panic: as it should") {
		t.Errorf("the program ended with %v and printed:\n%s", err, out)
	}
}
