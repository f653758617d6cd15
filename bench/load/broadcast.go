//go:build linux

package load

import (
	"runtime"
	"time"
)

// A Broadcast has one connection send messages and all of them, that one too, get
// each. The next messages are sent when all connections have got the last ones.
type Broadcast struct {
	Target      Target
	Stream      *Stream
	Connections int
	InFlight    int           // messages that are sent together, at most MaxInFlight
	Warm, Time  time.Duration // before the measurement begins, and of it

	// Joined is called when the connections are open. It returns when the server
	// knows all of them.
	Joined func() error

	// Mark is called when the measurement begins and when it ends.
	Mark func() error
}

// Run opens the connections, and loads the server.
func (b Broadcast) Run() (Result, error) {
	r, err := newRun(b.Target, b.Stream, b.Connections, func(int) int { return 0 })
	if err != nil {
		return Result{}, err
	}
	defer r.close()
	from := r.conns[0]
	r.complete = func(c *conn, n int) error {
		for range n {
			r.latencies.Add(r.now - from.sentAt[c.received%MaxInFlight])
			c.received++
		}
		return nil
	}
	if err := b.Joined(); err != nil {
		return Result{}, err
	}
	return b.measure(r, from)
}

// measure sends for Warm and for Time, or somewhat longer: the last messages have
// arrived everywhere when it looks at the clock.
func (b Broadcast) measure(r *run, from *conn) (Result, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if _, err := b.sendFor(r, from, b.Warm); err != nil {
		return Result{}, err
	}
	r.received, r.bytes, r.latencies = 0, 0, new(Latencies)
	if err := b.Mark(); err != nil {
		return Result{}, err
	}
	took, err := b.sendFor(r, from, b.Time)
	if err != nil {
		return Result{}, err
	}
	return Result{Messages: r.received, Bytes: r.bytes, Time: took, Latencies: r.latencies}, b.Mark()
}

func (b Broadcast) sendFor(r *run, from *conn, d time.Duration) (took time.Duration, err error) {
	start := time.Now()
	for took < d {
		if err := r.send(from, b.InFlight, b.Connections); err != nil {
			return took, err
		}
		for r.underWay > 0 {
			if err := r.step(100); err != nil {
				return took, err
			}
		}
		took = time.Since(start)
	}
	return took, nil
}
