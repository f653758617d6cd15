//go:build linux

// Package load puts load on a server: raw sockets, frames made beforehand, one
// thread that waits for all connections at once. It compares every byte that
// comes back with what must.
package load

import (
	"errors"
	"fmt"
	"runtime"
	"syscall"
	"time"
)

// An Echo has every connection send messages and get the same ones back.
type Echo struct {
	Target      Target
	Stream      *Stream
	Connections int
	InFlight    int           // messages of one connection that are under way, at most MaxInFlight
	Warm, Time  time.Duration // before the measurement begins, and of it

	// Mark is called when the measurement begins and when it ends.
	Mark func() error
}

// A Result is what a load measured.
type Result struct {
	Messages  int // complete while the measurement ran; of a broadcast, deliveries
	Time      time.Duration
	Latencies *Latencies // of the messages that were complete after it began
}

// Run opens the connections, loads the server, and waits at the end for what is
// under way still.
func (e Echo) Run() (Result, error) {
	r, err := newRun(e.Target, e.Stream, e.Connections, func(i int) int { return i % e.Stream.count() })
	if err != nil {
		return Result{}, err
	}
	defer r.close()
	r.complete = func(c *conn, n int) error {
		if r.ending {
			return nil
		}
		c.owed += n
		return r.flush(c)
	}
	for _, c := range r.conns {
		c.owed = e.InFlight
		if err := r.flush(c); err != nil {
			return Result{}, err
		}
	}
	return r.measure(e.Warm, e.Time, e.Mark)
}

// A run is a load while it runs, all of it on one thread.
type run struct {
	poller *poller
	fds    []int
	conns  []*conn
	byFD   []*conn
	buf    []byte

	// complete is called when n more messages have come back on c.
	complete func(c *conn, n int) error

	start    time.Time
	now      time.Duration // since start, renewed before each read
	last     time.Duration // when something came
	received int
	ending   bool

	latencies *Latencies
}

func newRun(t Target, s *Stream, connections int, first func(i int) int) (*run, error) {
	fds, agreed, err := t.dial(connections)
	if err != nil {
		return nil, err
	}
	r := &run{fds: fds, buf: make([]byte, 256<<10), start: time.Now(), latencies: new(Latencies)}
	if r.poller, err = newPoller(); err != nil {
		closeAll(fds)
		return nil, err
	}
	if s.inflate != nil {
		if s, err = s.inflate.agree(agreed); err != nil {
			r.close()
			return nil, err
		}
	}
	for i, fd := range fds {
		if err := r.add(newConn(fd, s, first(i))); err != nil {
			r.close()
			return nil, err
		}
	}
	return r, nil
}

func (r *run) add(c *conn) error {
	for len(r.byFD) <= c.fd {
		r.byFD = append(r.byFD, nil)
	}
	r.byFD[c.fd] = c
	r.conns = append(r.conns, c)
	return r.poller.add(c.fd)
}

func (r *run) close() {
	r.poller.close()
	closeAll(r.fds)
}

// measure runs for warm and then for d, between two calls of mark, and then until
// everything that was sent has come back.
func (r *run) measure(warm, d time.Duration, mark func() error) (Result, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := r.runFor(warm); err != nil {
		return Result{}, err
	}
	r.received, r.latencies = 0, new(Latencies)
	if err := mark(); err != nil {
		return Result{}, err
	}
	begin := time.Since(r.start)
	if err := r.runFor(d); err != nil {
		return Result{}, err
	}
	result := Result{Messages: r.received, Time: time.Since(r.start) - begin, Latencies: r.latencies}
	if err := mark(); err != nil {
		return Result{}, err
	}
	if result.Messages == 0 {
		return Result{}, fmt.Errorf("no message came back within %v", d)
	}
	r.ending = true
	return result, r.drain()
}

func (r *run) runFor(d time.Duration) error {
	for end := time.Since(r.start) + d; time.Since(r.start) < end; {
		if err := r.step(10); err != nil {
			return err
		}
	}
	return nil
}

// drain waits for what is under way.
func (r *run) drain() error {
	for _, c := range r.conns {
		c.owed = 0
		for c.received < c.sent {
			if err := r.step(100); err != nil {
				return err
			}
		}
	}
	return nil
}

var errSilent = errors.New("nothing has come for 20 seconds")

// step does what can be done, after waiting for at most ms milliseconds.
func (r *run) step(ms int) error {
	events, err := r.poller.wait(ms)
	if err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	if len(events) == 0 {
		if time.Since(r.start)-r.last > patience {
			return errSilent
		}
		return nil
	}
	for _, ev := range events {
		if err := r.ready(r.byFD[ev.Fd], ev.Events); err != nil {
			return err
		}
	}
	r.last = r.now
	return nil
}

func (r *run) ready(c *conn, events uint32) error {
	if events&^syscall.EPOLLOUT != 0 {
		n, err := c.receive(r.buf)
		if err != nil {
			return err
		}
		r.now = time.Since(r.start)
		for range n {
			r.latencies.add(r.now - c.sentAt[c.received%MaxInFlight])
			c.received++
		}
		r.received += n
		if n > 0 {
			if err := r.complete(c, n); err != nil {
				return err
			}
		}
	}
	if events&syscall.EPOLLOUT != 0 {
		return r.flush(c)
	}
	return nil
}

// flush sends what c owes, now or as soon as the kernel takes it.
func (r *run) flush(c *conn) error {
	waited := c.waiting
	c.waiting = false
	if err := c.flush(r.now); err != nil {
		return err
	}
	if c.waiting != waited {
		return r.poller.writable(c.fd, c.waiting)
	}
	return nil
}
