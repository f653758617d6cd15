//go:build linux

// Package load puts load on a server: raw sockets, frames made beforehand, one
// thread that waits for all connections at once. It compares every byte that
// comes back with what must.
package load

import (
	"errors"
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

// Run opens the connections, loads the server, and waits at the end for what is
// under way still.
func (e Echo) Run() (Result, error) {
	r, err := newRun(e.Target, e.Stream, e.Connections, func(i int) int { return i })
	if err != nil {
		return Result{}, err
	}
	defer r.close()
	r.complete = func(c *conn, n int) error {
		if err := r.returned(c, n); err != nil || r.ending {
			return err
		}
		return r.send(c, n, 1)
	}
	for _, c := range r.conns {
		if err := r.send(c, e.InFlight, 1); err != nil {
			return Result{}, err
		}
	}
	return r.measure(e.Warm, e.Time, e.Mark)
}

// returned notes that n messages have come back to where they came from.
func (r *run) returned(c *conn, n int) error {
	if c.received+uint64(n) > c.sent {
		return errors.New("more messages came back than were sent")
	}
	for range n {
		r.latencies.Add(r.now - c.sentAt[c.received%MaxInFlight])
		c.received++
	}
	return nil
}
