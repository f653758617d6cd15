//go:build linux

package load

import (
	"math/bits"
	"time"
)

// Latencies counts how long messages were under way. Each step of it is within
// 1.6 % of the times that it stands for.
type Latencies struct {
	counts [64 * steps]uint64
	total  uint64
}

// steps is how many steps there are from one power of two to the next.
const steps = 64

// Add counts a message that was under way for d.
func (l *Latencies) Add(d time.Duration) {
	l.counts[step(uint64(max(d, 0)))]++
	l.total++
}

func step(n uint64) int {
	if n < steps {
		return int(n)
	}
	exponent := bits.Len64(n) - bits.Len64(steps) + 1
	return exponent*steps + int(n>>(exponent-1)) - steps
}

// value returns the lowest time of a step.
func value(step int) time.Duration {
	if step < steps {
		return time.Duration(step)
	}
	return time.Duration((step%steps + steps) << (step/steps - 1))
}

// Quantile returns the time that the share q of the messages did not exceed, and 0
// if there was none.
func (l *Latencies) Quantile(q float64) time.Duration {
	rank := uint64(q * float64(l.total))
	var seen uint64
	for i, n := range l.counts {
		seen += n
		if n > 0 && seen > rank {
			return value(i)
		}
	}
	if l.total == 0 {
		return 0
	}
	return l.Quantile(q - 1/float64(l.total))
}

// Reset forgets everything.
func (l *Latencies) Reset() { *l = Latencies{} }
