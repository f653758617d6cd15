package hub_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15847954/ropewalk/hub"
)

var seed = flag.Uint64("seed", 0, "seed of the one interleaving that TestInterleavings runs; 0 means many, from a random one on")

// interleavings is how many seeds are run.
const interleavings = 10_000

// Subscribing, recovering, publishing, unsubscribing and disconnecting in any order
// neither deadlock nor lose. Each seed is one order of the steps of all goroutines,
// and one kind of disturbance. A failure names its seed:
//
//	go test ./hub -run TestInterleavings -seed SEED
func TestInterleavings(t *testing.T) {
	if *seed != 0 {
		interleave(t, *seed, true)
		return
	}
	first := uint64(time.Now().UnixNano())
	t.Logf("%d seeds from %d on", interleavings, first)
	sums := make([]tally, 4)
	t.Run("seeds", func(t *testing.T) {
		for part := range sums {
			t.Run(fmt.Sprint(part), func(t *testing.T) {
				t.Parallel()
				for i := part; i < interleavings; i += len(sums) {
					sums[part].add(interleave(t, first+uint64(i), false).tally)
				}
			})
		}
	})
	var sum tally
	for _, s := range sums {
		sum.add(s)
	}
	t.Logf("%d recovered, %d declared lost, %d subscriptions lost, %d gaps, %d repaired, %d reads",
		sum.recovered, sum.declared, sum.lost, sum.gaps, sum.repaired, sum.reads)
	if sum.recovered == 0 || sum.declared == 0 || sum.lost == 0 || sum.repaired == 0 {
		t.Error("something never happened, want all of it")
	}
}

// A seed decides every step.
func TestInterleavingsReplay(t *testing.T) {
	for s := range uint64(40) {
		a, b := interleave(t, s+1, false), interleave(t, s+1, false)
		if a.trace != b.trace {
			t.Errorf("seed %d took two courses", s+1)
		}
	}
}

// A tally counts what happened.
type tally struct {
	recovered, declared, lost, gaps, repaired, reads int
}

func (t *tally) add(o tally) {
	t.recovered += o.recovered
	t.declared += o.declared
	t.lost += o.lost
	t.gaps += o.gaps
	t.repaired += o.repaired
	t.reads += o.reads
}

// Disturbances by the seed.
const (
	calm      = iota // everything arrives, everything is kept
	lossy            // deliveries are dropped, doubled and swapped
	forgetful        // and history is short
	broken           // and reading fails and epochs change
	kinds
)

// A scene is one interleaving.
type scene struct {
	*world
	kind    int
	fake    *fake
	hub     *hub.Hub
	facts   *facts
	clients []*client
	calm    bool // disturbances are over
}

func interleave(t *testing.T, seed uint64, tell bool) (w *outcome) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(seed)
		s.tell = tell
		s.play()
		s.end()
		for _, step := range s.log {
			t.Log(step)
		}
		for _, broken := range s.facts.broken {
			t.Errorf("%s; replay with -seed %d", broken, seed)
		}
		stats := s.hub.Stats()
		w = &outcome{world: s.world, tally: tally{
			s.facts.recovered, s.facts.declared, s.facts.lost, int(stats.Gaps), int(stats.Repaired), int(stats.Reads),
		}}
		if s.kind <= lossy && (w.tally.declared > 0 || w.tally.lost > 0) {
			t.Errorf("%d declared lost, %d subscriptions lost, with all of history; replay with -seed %d", w.tally.declared, w.tally.lost, seed)
		}
	})
	return w
}

type outcome struct {
	*world
	tally tally
}

func newScene(seed uint64) *scene {
	s := &scene{world: newWorld(seed), kind: int(seed % kinds), fake: newFake(), facts: &facts{payloads: make(map[hub.Position]string)}}
	options := hub.Options{History: 1000, HistoryTime: time.Hour}
	if s.kind >= forgetful {
		options.History = 3
	}
	tail := []int{0, -1, 2000}[s.random.IntN(3)]
	s.hub = hub.New(s.fake, hub.Config{Default: options, TailBytes: tail})
	s.fake.step = s.pause
	chance := rand.New(rand.NewPCG(seed, 1))
	var mu sync.Mutex
	dice := func(n int) int {
		mu.Lock()
		defer mu.Unlock()
		return chance.IntN(n)
	}
	s.fake.fate = func(*hub.Publication) fate {
		if s.kind == calm || s.calm || dice(3) > 0 {
			return arrives
		}
		return fate(1 + dice(3))
	}
	s.fake.readFail = func() error {
		if s.kind == broken && !s.calm && dice(8) == 0 {
			return errors.New("history cannot be read")
		}
		return nil
	}
	for i := range 5 {
		s.clients = append(s.clients, &client{
			name: fmt.Sprint("client ", i), hub: s.hub, channel: []string{"a", "a", "a", "b", "b"}[i], facts: s.facts, pause: s.pause, reaches: s.fake.reaches,
		})
	}
	return s
}

// play lets all act at once until they are done.
func (s *scene) play() {
	for i, c := range s.clients {
		random := rand.New(rand.NewPCG(s.random.Uint64(), uint64(i)))
		go func() {
			for n := range 4 {
				s.pause(fmt.Sprint(c.name, " acts ", n))
				s.act(c, n, random)
			}
		}()
	}
	for i := range 3 {
		channel := []string{"a", "a", "b"}[i]
		go func() {
			for n := range 5 {
				s.publish(channel, fmt.Sprint(i, ".", n))
			}
		}()
	}
	if s.kind == broken {
		go func() {
			s.pause("new epoch")
			s.fake.rotate("a")
		}()
	}
	s.run()
}

func (s *scene) publish(channel, data string) {
	if _, err := s.hub.Publish(context.Background(), hub.Message{Channel: channel, Data: []byte(data)}, nil); err != nil {
		s.facts.fail("publish: %v", err)
	}
}

// act has a client come, go, or break off while it comes.
func (s *scene) act(c *client, n int, random *rand.Rand) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if c.present() != nil {
		if random.IntN(2) == 0 {
			c.leave(ctx)
		}
		return
	}
	if random.IntN(4) == 0 {
		go func() {
			s.pause(fmt.Sprint(c.name, " breaks off ", n))
			cancel()
		}()
	}
	if err := c.join(ctx); err != nil {
		c.leave(context.Background())
	}
}

// end checks that, when everything is quiet and one more publication has come
// through, everyone who is still there has heard of it, and that nothing
// is left when all have gone.
func (s *scene) end() {
	s.calm = true
	for _, channel := range []string{"a", "b"} {
		go s.publish(channel, "the end of "+channel)
	}
	s.run()
	for _, c := range s.clients {
		top := s.fake.top(c.channel)
		if c.present() != nil && *c.last != top { // I2
			s.facts.fail("%s is at %v at the end, the log at %v", c.name, *c.last, top)
		}
		go c.leave(context.Background())
	}
	s.run()
	if n := s.hub.Channels(); n != 0 {
		s.facts.fail("%d channels are left", n)
	}
	if s.fake.opened != 0 {
		s.facts.fail("%d subscriptions of the broker are left", s.fake.opened)
	}
	s.checkOrder()
}

// checkOrder reports payloads that are not those of the log. I5: the chains that the
// clients have checked are then parts of the same one.
func (s *scene) checkOrder() {
	for _, l := range s.fake.logs {
		for _, p := range l.all {
			if got, ok := s.facts.payloads[p.Position]; ok && got != string(p.Data) {
				s.facts.fail("%v was delivered as %q, want %q", p.Position, got, p.Data)
			}
			delete(s.facts.payloads, p.Position)
		}
	}
	for pos := range s.facts.payloads {
		s.facts.fail("%v was delivered, and is in no log", pos)
	}
}
