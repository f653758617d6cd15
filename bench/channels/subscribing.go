//go:build linux

package channels

import "fmt"

// subscribing measures what it costs that more clients subscribe to a channel that has n
// subscribers. They are connected before.
func subscribing(n, more int) Row {
	return Row{
		Name:    fmt.Sprintf("subscribing beside %d subscribers", n),
		Metrics: []Metric{SubscribeCP},
		measure: func(r *running) (Sample, error) {
			c, err := newCrowd(r.Addr, &r.server.Dialect, size)
			if err != nil {
				return nil, err
			}
			defer c.close()
			if err := c.join(n, news); err != nil {
				return nil, err
			}
			if err := c.join(more, nil); err != nil {
				return nil, err
			}
			if err := r.Settle(); err != nil {
				return nil, err
			}
			cpu, err := r.using(func() error {
				if err := c.subscribe(c.members[n:], news(0)); err != nil {
					return err
				}
				return r.Settle()
			})
			return Sample{SubscribeCP: micros(cpu) / float64(more)}, err
		},
	}
}
