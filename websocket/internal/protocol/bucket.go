package protocol

import "time"

// burst is how many seconds' worth of control frames may come at once.
const burst = 10

// A bucket meters control frames: it fills at a rate and holds burst seconds of it.
// The zero value is full.
type bucket struct {
	used float64
	last time.Time
}

// take takes one from a bucket that fills by rate a second, and reports whether
// there was one.
func (b *bucket) take(now time.Time, rate int) bool {
	b.used = max(0, b.used-now.Sub(b.last).Seconds()*float64(rate))
	b.last = now
	if b.used+1 > float64(rate)*burst {
		return false
	}
	b.used++
	return true
}
