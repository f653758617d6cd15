//go:build linux

package channels

import (
	"bufio"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// What stalled readers are measured with: data of that many bytes, and a queue for each
// client that is full within seconds.
const (
	stalledSize  = 4 << 10
	stalledEvery = 50 * time.Millisecond
	stalledQueue = 64 << 10
)

// stalled measures what n readers of a channel notice of as many others that have stopped
// to read, under a policy for slow consumers.
func stalled(policy string, n int, d time.Duration) Row {
	return Row{
		Name: fmt.Sprintf("%d stalled readers beside %d others, 20 publications of %d bytes a second for %v, queues of %d KiB, %s",
			n, n, stalledSize, d, stalledQueue>>10, policy),
		Metrics: []Metric{Alone, Beside, Ratio, Memory, Bound, Ended, Skips, Slow},
		Can: func(s Server) bool {
			return onlyJSON(s) && !s.node && (s.ours() || policy == "disconnect")
		},
		args: func(s Server) []string {
			queue := []string{"-queue", strconv.Itoa(stalledQueue)}
			if s.ours() {
				return append(queue, "-slow", policy)
			}
			return queue
		},
		measure: func(r *running) (Sample, error) {
			c, err := newCrowd(r.Addr, &r.server.Dialect, stalledSize)
			if err != nil {
				return nil, err
			}
			defer c.close()
			if err := c.join(n, news); err != nil {
				return nil, err
			}
			return c.stalled(r, policy, pace{every: stalledEvery, rounds: rounds(d, stalledEvery), readers: n})
		},
	}
}

func (c *crowd) stalled(r *running, policy string, p pace) (Sample, error) {
	groups := [][]string{{news(0)}}
	warm := p
	warm.rounds = min(p.rounds, 20)
	if err := c.pace(groups, warm); err != nil {
		return nil, err
	}
	c.latencies.Reset()
	if err := c.pace(groups, p); err != nil {
		return nil, err
	}
	alone := c.latencies.Quantile(0.99)
	if err := c.stall(p.readers); err != nil {
		return nil, err
	}
	before, err := r.resident()
	if err != nil {
		return nil, err
	}
	c.latencies.Reset()
	if err := c.pace(groups, p); err != nil {
		return nil, err
	}
	beside := c.latencies.Quantile(0.99)
	after, err := r.resident()
	if err != nil {
		return nil, err
	}
	if err := c.verify(); err != nil {
		return nil, err
	}
	if err := c.wake(p.readers); err != nil {
		return nil, err
	}
	if err := c.caughtUp(policy); err != nil {
		return nil, err
	}
	slow := float64(c.ended)
	if r.server.ours() {
		if slow, err = r.slowConsumers(); err != nil {
			return nil, err
		}
	}
	if slow == 0 {
		return nil, errors.New("the server has not noticed that anybody is slow: nothing is measured")
	}
	return Sample{
		Slow:   slow,
		Alone:  millis(alone),
		Beside: millis(beside),
		Ratio:  float64(beside) / float64(alone),
		Memory: float64(after-before) / (1 << 20),
		Bound:  float64(p.readers) * stalledQueue / (1 << 20),
		Ended:  float64(c.ended),
		Skips:  float64(c.skips),
	}, nil
}

// stall adds n members that do not read once they have subscribed. The publications that
// come are those behind the ones that the others have had.
func (c *crowd) stall(n int) error {
	first := len(c.members)
	c.mustStay, c.Target.Narrow = first, true
	if err := c.join(n, news); err != nil {
		return err
	}
	for _, m := range c.members[first:] {
		m.want = c.members[0].want
		if err := c.Stall(m.conn); err != nil {
			return err
		}
	}
	return nil
}

// wake has the n members read again, and returns when nothing comes any more.
func (c *crowd) wake(n int) error {
	for _, m := range c.members[len(c.members)-n:] {
		if err := c.Wake(m.conn); err != nil {
			return err
		}
	}
	for before := -1; before != c.received; {
		before = c.received
		if err := c.For(time.Second); err != nil {
			return err
		}
	}
	return nil
}

// caughtUp returns an error if one of those who are still there does not have the newest
// publication, or not every one under the policy that leaves nothing out.
func (c *crowd) caughtUp(policy string) error {
	for i, m := range c.members {
		if m.conn != nil && m.want != c.members[0].want {
			return fmt.Errorf("client %d has publications up to %d, the newest is %d", i, m.want-1, c.members[0].want-1)
		}
	}
	if policy == "catch_up" {
		return c.verify()
	}
	return nil
}

// slowConsumers returns how often our server says that it has dealt with one.
func (r *running) slowConsumers() (float64, error) {
	answer, err := http.Get(fmt.Sprintf("http://%v/metrics", r.Addr))
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	sum := 0.0
	lines := bufio.NewScanner(answer.Body)
	for lines.Scan() {
		if !strings.HasPrefix(lines.Text(), "ropewalk_slow_consumers_total{") &&
			!strings.HasPrefix(lines.Text(), "ropewalk_publications_left_out_total{") {
			continue
		}
		fields := strings.Fields(lines.Text())
		n, err := strconv.ParseFloat(fields[len(fields)-1], 64)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, lines.Err()
}
