package wsh2

import "time"

// A deadline is a moment that can be moved while a call waits for it. It is guarded
// by conn.mu.
type deadline struct {
	timer  *time.Timer
	passed chan struct{} // closed when it has passed; nil if nobody has asked yet
}

func (d *deadline) channel() <-chan struct{} {
	if d.passed == nil {
		d.passed = make(chan struct{})
	}
	return d.passed
}

func (d *deadline) expired() bool {
	if d.passed == nil {
		return false
	}
	select {
	case <-d.passed:
		return true
	default:
		return false
	}
}

// set moves the deadline; zero means none.
func (d *deadline) set(t time.Time) {
	d.channel()
	if d.timer != nil && !d.timer.Stop() {
		<-d.passed // the timer is about to close it
	}
	d.timer = nil
	if d.expired() {
		d.passed = make(chan struct{})
	}
	if t.IsZero() {
		return
	}
	passed := d.passed
	if wait := time.Until(t); wait > 0 {
		d.timer = time.AfterFunc(wait, func() { close(passed) })
	} else {
		close(passed)
	}
}

// A signal wakes one goroutine that waits, or the next that does.
type signal chan struct{}

func (s signal) set() {
	select {
	case s <- struct{}{}:
	default:
	}
}

// A bucket bounds the rate of what a server may do for nothing.
type bucket struct {
	level  int
	filled time.Time
}

// The most that may come at once, and in a second.
const bucketSize, bucketRate = 2000, 1000

// take reports whether one more may come now.
func (b *bucket) take(now time.Time) bool {
	if gain := int(now.Sub(b.filled).Seconds() * bucketRate); gain > 0 || b.filled.IsZero() {
		b.level = max(0, b.level-gain)
		b.filled = now
	}
	b.level++
	return b.level <= bucketSize
}
