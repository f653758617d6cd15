//go:build linux

package poller

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// The heap gives what sorting gives, whatever was set and taken out before.
func TestTimersHeap(t *testing.T) {
	for seed := range uint64(50) {
		rnd := rand.New(rand.NewPCG(seed, 8))
		var h timers
		all := make([]Entry, 1+rnd.IntN(100))
		for range 500 {
			e := &all[rnd.IntN(len(all))]
			h.set(e, max(0, rnd.Int64N(100)-20))
		}
		var want, got []int64
		for i := range all {
			if all[i].deadline != 0 {
				want = append(want, all[i].deadline)
			}
		}
		slices.Sort(want)
		for h.next() != 0 {
			got = append(got, h.next())
			h.set(h[0], 0)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("seed %d: deadlines = %v, want %v", seed, got, want)
		}
	}
}
