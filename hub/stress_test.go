package hub_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/seed-15847954/ropewalk/broker/memory"
	"github.com/seed-15847954/ropewalk/hub"
)

// A keeper is a broker that keeps history.
type keeper interface {
	hub.Broker
	hub.Historian
}

// A rough broker has what the real one delivers dropped, doubled and swapped on its
// way to the hub, while rough is true.
type rough struct {
	keeper
	mu     sync.Mutex
	random *rand.Rand
	calm   bool
}

func (r *rough) Subscribe(ctx context.Context, channel string, sink hub.Sink) (hub.Position, error) {
	return r.keeper.Subscribe(ctx, channel, &roughSink{rough: r, sink: sink})
}

func (r *rough) fate() fate {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.calm || r.random.IntN(4) > 0 {
		return arrives
	}
	return fate(1 + r.random.IntN(3))
}

func (r *rough) settle() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calm = true
}

// A roughSink is called by one goroutine at a time, as every sink.
type roughSink struct {
	*rough
	sink hub.Sink
	late *hub.Publication
}

func (s *roughSink) Deliver(p *hub.Publication) {
	switch what := s.fate(); {
	case what == dropped:
		return
	case what == swapped && s.late == nil:
		s.late = p
		return
	case what == doubled:
		s.sink.Deliver(p)
	}
	s.sink.Deliver(p)
	if s.late != nil {
		s.sink.Deliver(s.late)
		s.late = nil
	}
}

func (s *roughSink) Moved(pos hub.Position) { s.sink.Moved(pos) }

func (s *roughSink) Change(c *hub.PresenceChange) { s.sink.Change(c) }

// The invariants hold over the real broker on all processors at once, whatever happens to
// deliveries; with all of history nothing is lost. The order of the steps is the
// machine's, not the seed's.
func TestStress(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := &rough{keeper: memory.New(memory.Config{}), random: rand.New(rand.NewPCG(seed, 0))}
	h := hub.New(r, hub.Config{Default: hub.Options{History: 10_000, HistoryTime: time.Hour}})
	known := map[string]*facts{} // by channel: positions are those of one log
	give := func(string) {
		for range rand.IntN(3) {
			runtime.Gosched()
		}
	}
	channels := []string{"a", "b", "c"}
	for _, channel := range channels {
		known[channel] = &facts{payloads: make(map[hub.Position]string)}
	}
	var clients []*client
	for i := range 24 {
		clients = append(clients, &client{name: fmt.Sprint("client ", i), hub: h, channel: channels[i%len(channels)], facts: known[channels[i%len(channels)]], pause: give})
	}
	var wg sync.WaitGroup
	for i, c := range clients {
		random := rand.New(rand.NewPCG(seed, uint64(i+1)))
		wg.Go(func() {
			for n := range 40 {
				switch random.IntN(4) {
				case 0:
					publish(t, h, c.channel, fmt.Sprint(i, ".", n))
				case 1:
					c.leave(t.Context())
				default:
					if c.present() == nil {
						if err := c.join(t.Context()); err != nil {
							t.Error(err)
						}
					}
				}
			}
		})
	}
	wg.Wait()
	r.settle()
	tops := map[string]hub.Position{}
	for _, channel := range channels {
		tops[channel] = publish(t, h, channel, "the end")
	}
	for _, c := range clients {
		if c.present() == nil {
			continue
		}
		for deadline := time.Now().Add(10 * time.Second); c.at() != tops[c.channel]; runtime.Gosched() {
			if time.Now().After(deadline) {
				t.Fatalf("%s is at %v, the log at %v", c.name, c.at(), tops[c.channel])
			}
		}
		c.leave(t.Context())
	}
	for _, facts := range known {
		for _, broken := range facts.broken {
			t.Error(broken)
		}
		if facts.declared > 0 || facts.lost > 0 {
			t.Errorf("%d declared lost, %d subscriptions lost, with all of history", facts.declared, facts.lost)
		}
	}
}
