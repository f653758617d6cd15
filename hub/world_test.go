package hub_test

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"
	"testing/synctest"
	"time"
)

// A world runs goroutines one step after the other, in an order that a seed decides.
// A step ends where its goroutine calls pause or waits for another one. It lives
// in a bubble of synctest.
type world struct {
	random *rand.Rand
	paused chan *pause
	trace  uint64
	log    []string // of the steps, when verbose
	tell   bool
}

// A pause is a goroutine that waits for its next step.
type pause struct {
	label string
	on    chan struct{}
}

func newWorld(seed uint64) *world {
	return &world{random: rand.New(rand.NewPCG(seed, 0)), paused: make(chan *pause, 1000)}
}

// pause lets others come first. The label tells apart those who wait at once.
func (w *world) pause(label string) {
	p := &pause{label, make(chan struct{})}
	w.paused <- p
	<-p.on
}

// run steps until nobody waits for a step any more.
func (w *world) run() {
	hash := fnv.New64a()
	var waiting []*pause
	for {
		synctest.Wait()
		for len(w.paused) > 0 {
			waiting = append(waiting, <-w.paused)
		}
		if len(waiting) == 0 {
			// Some may wait for the time.
			select {
			case p := <-w.paused:
				waiting = append(waiting, p)
				continue
			case <-time.After(time.Hour):
			}
			w.trace = hash.Sum64()
			return
		}
		slices.SortStableFunc(waiting, func(a, b *pause) int { return strings.Compare(a.label, b.label) })
		i := w.random.IntN(len(waiting))
		p := waiting[i]
		waiting = slices.Delete(waiting, i, i+1)
		fmt.Fprintln(hash, p.label)
		if w.tell {
			w.log = append(w.log, p.label)
		}
		close(p.on)
	}
}
