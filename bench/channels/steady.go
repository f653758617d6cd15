//go:build linux

package channels

import (
	"fmt"
	"time"
)

// latency publishes to n subscribers of a channel, seldom enough that each publication is
// alone.
func latency(n int, d time.Duration) Row {
	return Row{
		Name:    fmt.Sprintf("latency, %d subscribers, 10 publications a second", n),
		Metrics: []Metric{Median, P99},
		measure: func(r *running) (Sample, error) {
			c, err := newCrowd(r.Addr, &r.server.Dialect, size)
			if err != nil {
				return nil, err
			}
			defer c.close()
			if err := c.join(n, news); err != nil {
				return nil, err
			}
			if err := c.pace([][]string{{news(0)}}, pace{every: 100 * time.Millisecond, rounds: rounds(d, 100*time.Millisecond), readers: n}); err != nil {
				return nil, err
			}
			return Sample{Median: millis(c.latencies.Quantile(0.5)), P99: millis(c.latencies.Quantile(0.99))}, c.verify()
		},
	}
}

// steady has n clients, each in a channel of its own, get 5 publications a second.
func steady(n int, d time.Duration) Row {
	const a, every = 5, 10 * time.Millisecond // a second, and from one group to the next
	groups := int(time.Second/every) / a
	return Row{
		Name: fmt.Sprintf("steady load, %d clients, each gets %d publications a second in a channel of its own, %v, on both processors",
			n, a, d),
		Metrics: []Metric{Median, P99, Lost, Busy},
		Can:     onlyJSON,
		Both:    true,
		measure: func(r *running) (Sample, error) {
			c, err := newCrowd(r.Addr, &r.server.Dialect, size)
			if err != nil {
				return nil, err
			}
			defer c.close()
			if err := c.join(n, own); err != nil {
				return nil, err
			}
			c.Nap = time.Millisecond
			all := c.groups((n + groups - 1) / groups)
			p := pace{every: every, rounds: rounds(d, every*time.Duration(len(all))), readers: n}
			var took time.Duration
			cpu, err := r.using(func() error {
				start := c.Since()
				err := c.pace(all, p)
				took = c.Since() - start
				return err
			})
			sample := Sample{
				Median: millis(c.latencies.Quantile(0.5)),
				P99:    millis(c.latencies.Quantile(0.99)),
				Lost:   float64(p.rounds*n - c.received),
				Busy:   100 * cpu.Seconds() / took.Seconds(),
			}
			if err == nil {
				err = c.verify()
			}
			return sample, err
		},
	}
}

// A pace says how publications follow each other: one in each group of channels, and so
// on for some rounds.
type pace struct {
	every   time.Duration // from one publication to the next, in the next group
	rounds  int
	readers int // members who read
}

// rounds returns how many rounds of that time last for d, at least one.
func rounds(d, one time.Duration) int { return max(int(d/one), 1) }

// pace publishes in each group of channels, and returns when all readers have got all.
// A publication's time is when it was due: that the server takes publications too
// slowly counts as latency.
func (c *crowd) pace(groups [][]string, p pace) error {
	first := c.members[0].want
	want := c.received + p.rounds*p.readers
	start := c.Since()
	failed := make(chan error, 1)
	stop := make(chan struct{})
	go func() {
		failed <- func() error {
			for i := range p.rounds * len(groups) {
				due := start + time.Duration(i)*p.every
				select {
				case <-time.After(due - c.Since()):
				case <-stop:
					return nil
				}
				if err := c.publish(groups[i%len(groups)], c.form.data(first+i/len(groups), due)); err != nil {
					return err
				}
			}
			return nil
		}()
	}()
	limit := time.Duration(p.rounds*len(groups))*p.every + waiting
	var err error
	published := false
	stepping := c.Until(limit, "publications", func() bool {
		select {
		case err = <-failed:
			published = true
		default:
		}
		return err != nil || published && c.received >= want
	})
	close(stop)
	if !published {
		err = <-failed
	}
	if stepping != nil {
		return stepping
	}
	return err
}
