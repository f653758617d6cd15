//go:build linux

package load

import (
	"errors"
	"fmt"
	"runtime"
	"syscall"
	"time"
)

// A Result is what a load measured.
type Result struct {
	Messages  int // complete while the measurement ran; of a broadcast, deliveries
	Bytes     int // of their frames
	Time      time.Duration
	Latencies *Latencies // of the messages that were complete after it began
}

// A run is a load while it runs, all of it on one thread.
type run struct {
	poller *poller
	conns  []*conn
	byFD   []*conn
	buf    []byte

	// complete is called when n more messages have come on c.
	complete func(c *conn, n int) error

	start    time.Time
	now      time.Duration // since start, renewed before each read
	last     time.Duration // when something came
	received int
	bytes    int
	underWay int // messages that are owed, or sent, and have not come back
	ending   bool

	latencies *Latencies
}

// newRun opens connections. The first message of the i-th one is first(i).
func newRun(t Target, s *Stream, connections int, first func(i int) int) (*run, error) {
	fds, agreed, err := t.dial(connections)
	if err != nil {
		return nil, err
	}
	r := &run{buf: make([]byte, 256<<10), start: time.Now(), latencies: new(Latencies)}
	if s.inflate != nil {
		if s, err = s.inflate.agree(agreed); err != nil {
			closeAll(fds)
			return nil, err
		}
	}
	for i, fd := range fds {
		r.add(newConn(fd, s, first(i), t.Fragments))
	}
	if err := r.watch(); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

func (r *run) add(c *conn) {
	for len(r.byFD) <= c.fd {
		r.byFD = append(r.byFD, nil)
	}
	r.byFD[c.fd] = c
	r.conns = append(r.conns, c)
}

func (r *run) watch() (err error) {
	if r.poller, err = newPoller(); err != nil {
		return err
	}
	for _, c := range r.conns {
		if err := r.poller.add(c.fd); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) close() {
	r.poller.close()
	for _, c := range r.conns {
		_ = syscall.Close(c.fd)
	}
}

// measure runs for warm and then for d, between two calls of mark, and then until
// everything that was sent has come back.
func (r *run) measure(warm, d time.Duration, mark func() error) (Result, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := r.runFor(warm); err != nil {
		return Result{}, err
	}
	r.received, r.bytes, r.latencies = 0, 0, new(Latencies)
	if err := mark(); err != nil {
		return Result{}, err
	}
	begin := time.Since(r.start)
	if err := r.runFor(d); err != nil {
		return Result{}, err
	}
	result := Result{Messages: r.received, Bytes: r.bytes, Time: time.Since(r.start) - begin, Latencies: r.latencies}
	if err := mark(); err != nil {
		return Result{}, err
	}
	return result, r.drain()
}

// runFor runs for d, and longer if nothing has come until then.
func (r *run) runFor(d time.Duration) error {
	for end := time.Since(r.start) + d; time.Since(r.start) < end || r.received == 0; {
		if err := r.step(10); err != nil {
			return err
		}
	}
	return nil
}

// drain waits for what is under way, and has nothing new sent.
func (r *run) drain() error {
	r.ending = true
	for r.underWay > 0 {
		if err := r.step(100); err != nil {
			return err
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
		n, size, err := c.receive(r.buf)
		if err != nil {
			return err
		}
		r.bytes += size
		if n > 0 {
			r.now = time.Since(r.start)
			r.received += n
			if r.underWay -= n; r.underWay < 0 {
				return errors.New("more messages came than were sent")
			}
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

// send sends n more messages on c, each of which comes back copies times.
func (r *run) send(c *conn, n, copies int) error {
	c.owed += n
	r.underWay += n * copies
	return r.flush(c)
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
