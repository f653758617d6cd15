package partitioned

import "time"

// A Clock says the time as the wall clock had it when the Clock was made, and goes on by the monotonic clock: where
// somebody sets the wall clock, no ID and no history ends before its time. It may be used by many goroutines at
// once.
type Clock struct{ began time.Time }

// NewClock returns a Clock that begins now.
func NewClock() Clock { return Clock{time.Now()} }

// Now returns the time.
func (c Clock) Now() time.Time { return c.began.Add(time.Since(c.began)) }
