package session

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing/synctest"
	"time"
)

// A world lets goroutines take one step at a time, in an order that a seed decides. A step
// ends where its goroutine pauses or waits for another one. It lives in a bubble
// of synctest.
type world struct {
	random *rand.Rand
	paused chan *turn
	steps  []string
}

// A turn is what a goroutine that pauses waits for.
type turn struct {
	label string
	come  chan struct{}
}

func newWorld(seed uint64) *world {
	return &world{random: rand.New(rand.NewPCG(seed, 0)), paused: make(chan *turn, 1000)}
}

// pause lets others go first. Labels tell apart those who pause at once.
func (w *world) pause(label string) {
	t := &turn{label, make(chan struct{})}
	w.paused <- t
	<-t.come
}

// run lets step after step be taken until nobody wants to, and nothing happens for an hour.
func (w *world) run() {
	var waiting []*turn
	for idle := false; !idle; {
		synctest.Wait()
		for len(w.paused) > 0 {
			waiting = append(waiting, <-w.paused)
		}
		if len(waiting) > 0 {
			slices.SortStableFunc(waiting, func(a, b *turn) int { return strings.Compare(a.label, b.label) })
			i := w.random.IntN(len(waiting))
			w.steps = append(w.steps, waiting[i].label)
			close(waiting[i].come)
			waiting = slices.Delete(waiting, i, i+1)
			continue
		}
		select {
		case t := <-w.paused:
			waiting = append(waiting, t)
		case <-time.After(time.Hour):
			idle = true
		}
	}
}
