//go:build linux

package channels

import "fmt"

// idle measures the memory of n connections, each subscribed to a channel of its own.
func idle(n int) Row {
	return Row{
		Name:    fmt.Sprintf("idle, %d connections, each subscribed to a channel of its own", n),
		Metrics: []Metric{Resident},
		measure: func(r *running) (Sample, error) {
			const before = 100 // what the first ones bring into memory is not counted
			c, err := newCrowd(r.Addr, &r.server.Dialect, size)
			if err != nil {
				return nil, err
			}
			defer c.close()
			if err := c.join(before, own); err != nil {
				return nil, err
			}
			first, err := r.resident()
			if err != nil {
				return nil, err
			}
			if err := c.join(n-before, func(i int) string { return own(before + i) }); err != nil {
				return nil, err
			}
			last, err := r.resident()
			return Sample{Resident: float64(last-first) / float64(n-before)}, err
		},
	}
}

// resident returns the server's memory in bytes, without garbage.
func (r *running) resident() (int64, error) {
	if err := r.Settle(); err != nil {
		return 0, err
	}
	if err := r.Tidy(); err != nil {
		return 0, err
	}
	return r.Resident()
}
