package protocol

import "time"

// burst is how many seconds' worth of control frames may come at once.
const burst = 10

// A Flood meters control frames, as a bucket that fills at a rate and holds burst
// seconds of it. The zero value is full.
type Flood struct {
	used float64
	last int64 // when, in nanoseconds of Unix time
}

// take takes one from a bucket that fills by rate a second, and reports whether
// there was one.
func (f *Flood) take(now time.Time, rate int) bool {
	at := now.UnixNano()
	f.used = max(0, f.used-time.Duration(at-f.last).Seconds()*float64(rate))
	f.last = at
	if f.used+1 > float64(rate)*burst {
		return false
	}
	f.used++
	return true
}
