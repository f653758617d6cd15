//go:build linux

package channels

import (
	"fmt"
	"time"
)

// storm has n clients come at once, each of which connects and subscribes.
func storm(n int) Row {
	return Row{
		Name:    fmt.Sprintf("connect storm, %d clients", n),
		Metrics: []Metric{Took, ConnectCPU},
		measure: func(r *running) (Sample, error) {
			c, err := newCrowd(r.Addr, &r.server.Dialect, size)
			if err != nil {
				return nil, err
			}
			defer c.close()
			if err := c.join(100, news); err != nil {
				return nil, err
			}
			var took time.Duration
			cpu, err := r.using(func() error {
				start := c.Since()
				err := c.join(n, news)
				took = c.Since() - start
				return err
			})
			return Sample{Took: took.Seconds(), ConnectCPU: micros(cpu) / float64(n)}, err
		},
	}
}

// missed is how many publications each client of a recovery has missed.
const missed = 20

// recovery has n clients come back at once after all connections broke, each of which
// gets what it has missed.
func recovery(name string, n int, channel func(i int) string) Row {
	return Row{
		Name:    fmt.Sprintf("recovery storm, %d clients that missed %d publications each, %s", n, missed, name),
		Metrics: []Metric{Took, Lost, ConnectCPU},
		Can:     func(s Server) bool { return onlyJSON(s) && !s.node },
		measure: func(r *running) (Sample, error) {
			c, err := newCrowd(r.Addr, &r.server.Dialect, size)
			if err != nil {
				return nil, err
			}
			defer c.close()
			if err := c.join(n, channel); err != nil {
				return nil, err
			}
			c.cut()
			if err := c.miss(missed); err != nil {
				return nil, err
			}
			if err := r.Settle(); err != nil {
				return nil, err
			}
			return c.comeBack(r)
		},
	}
}

// miss publishes in every channel of the members, who are away.
func (c *crowd) miss(publications int) error {
	for seq := range publications {
		for _, channels := range c.groups(maxChannels) {
			if err := c.publish(channels, c.form.data(seq, c.Since())); err != nil {
				return err
			}
		}
	}
	return nil
}

// comeBack opens all connections and waits until everybody has all.
func (c *crowd) comeBack(r *running) (Sample, error) {
	n := len(c.members)
	var took time.Duration
	cpu, err := r.using(func() error {
		start := c.Since()
		if err := c.Open(0, n); err != nil {
			return err
		}
		err := c.Until(waiting, "recovery", func() bool { return c.subscribed == n && c.received >= n*missed })
		took = c.Since() - start
		return err
	})
	sample := Sample{Took: took.Seconds(), Lost: float64(n*missed - c.received), ConnectCPU: micros(cpu) / float64(n)}
	if err == nil {
		err = c.verify()
	}
	return sample, err
}

// maxChannels is how many channels all servers take in one publication.
const maxChannels = 1000

// groups returns the channels of the members, each once, in slices of at most that many.
func (c *crowd) groups(most int) [][]string {
	var groups [][]string
	seen := make(map[string]bool)
	for _, m := range c.members {
		if seen[m.channel] {
			continue
		}
		seen[m.channel] = true
		if last := len(groups) - 1; last >= 0 && len(groups[last]) < most {
			groups[last] = append(groups[last], m.channel)
		} else {
			groups = append(groups, []string{m.channel})
		}
	}
	return groups
}
