package client

import (
	"testing"
	"time"
)

// The time to stay away doubles with each failure, a connection that ended at once
// included, and begins anew behind one that has lasted.
func TestBackoff(t *testing.T) {
	o := &Options{MinBackoff: time.Second, MaxBackoff: 5 * time.Second}
	var backoff time.Duration
	for i, c := range []struct{ lasted, want time.Duration }{
		{0, time.Second},
		{0, 2 * time.Second},
		{time.Second, 4 * time.Second},
		{4 * time.Second, 5 * time.Second},
		{0, 5 * time.Second},
		{6 * time.Second, time.Second},
		{500 * time.Millisecond, 2 * time.Second},
		{3 * time.Second, time.Second},
	} {
		if backoff = o.following(backoff, c.lasted); backoff != c.want {
			t.Fatalf("%d: behind %v the backoff is %v, want %v", i, c.lasted, backoff, c.want)
		}
	}
}
