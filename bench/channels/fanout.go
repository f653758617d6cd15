//go:build linux

package channels

import (
	"errors"
	"fmt"
	"time"
)

// fanout publishes to n subscribers of a channel. The next publication is made when all
// have got the last one.
func fanout(n int, d time.Duration) Row {
	return Row{
		Name:    fmt.Sprintf("fan-out to %d subscribers", n),
		Metrics: []Metric{PerSecond, CPU, Median, P99},
		measure: func(r *running) (Sample, error) {
			c, err := newCrowd(r.Addr, &r.server.Dialect, size)
			if err != nil {
				return nil, err
			}
			defer c.close()
			if err := c.join(n, news); err != nil {
				return nil, err
			}
			if err := c.broadcast(d / 4); err != nil {
				return nil, err
			}
			return c.fanout(r, d)
		},
	}
}

func (c *crowd) fanout(r *running, d time.Duration) (Sample, error) {
	received := c.received
	c.latencies.Reset()
	cpu, err := r.using(func() error { return c.broadcast(d) })
	if err != nil {
		return nil, err
	}
	deliveries := float64(c.received - received)
	return Sample{
		PerSecond: deliveries / cpu.Seconds(),
		CPU:       micros(cpu) / deliveries,
		Median:    millis(c.latencies.Quantile(0.5)),
		P99:       millis(c.latencies.Quantile(0.99)),
	}, c.verify()
}

// broadcast publishes for d in the channel of all, one publication after the other.
func (c *crowd) broadcast(d time.Duration) error {
	posts := make(chan []byte)
	answers := make(chan error, 1)
	defer close(posts)
	go func() {
		for data := range posts {
			answers <- c.publish([]string{c.members[0].channel}, data)
		}
	}()
	for end := c.Since() + d; c.Since() < end; {
		want := c.received + len(c.members)
		answered := false
		posts <- c.form.data(c.members[0].want, c.Since())
		var failed error
		err := c.Until(waiting, "fan-out", func() bool {
			select {
			case failed = <-answers:
				answered = true
			default:
			}
			return failed != nil || answered && c.received >= want
		})
		if err := errors.Join(err, failed); err != nil {
			return err
		}
	}
	return nil
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// using returns how much processor time of the server do takes. What do
// causes must be done when it returns.
func (r *running) using(do func() error) (time.Duration, error) {
	if r.profile != "" && !r.server.node {
		if err := r.Profile(r.profile); err != nil {
			return 0, err
		}
	}
	before, err := r.CPU()
	if err != nil {
		return 0, err
	}
	if err := do(); err != nil {
		return 0, err
	}
	after, err := r.CPU()
	if err == nil && r.profile != "" && !r.server.node {
		err = r.Profile("")
	}
	return after - before, err
}
