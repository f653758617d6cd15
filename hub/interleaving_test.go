package hub_test

import (
	"context"
	"flag"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/seed-15847954/ropewalk/broker/memory"
	"github.com/seed-15847954/ropewalk/hub"
)

var seed = flag.Uint64("seed", 0, "seed of TestInterleavings; 0 means a random one")

// A jittery broker gives way to other goroutines around each call.
type jittery struct{ hub.Broker }

func yield() {
	for range rand.IntN(4) {
		runtime.Gosched()
	}
}

func (j jittery) Subscribe(ctx context.Context, channel string, sink hub.Sink) (hub.Position, error) {
	yield()
	pos, err := j.Broker.Subscribe(ctx, channel, sink)
	yield()
	return pos, err
}

func (j jittery) Unsubscribe(ctx context.Context, channel string) error {
	yield()
	err := j.Broker.Unsubscribe(ctx, channel)
	yield()
	return err
}

// A stay is one subscription from beginning to end.
type stay struct {
	recorder
	channel  string
	from, to hub.Position // where it began, and what was surely published before its end
}

// Subscribing, publishing and unsubscribing in any order neither deadlock nor lose:
// each subscriber gets every publication behind its position, once and in order, at
// least up to what was published when it left.
func TestInterleavings(t *testing.T) {
	first := *seed
	if first == 0 {
		first = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d", first)
	rounds := 200
	if testing.Short() {
		rounds = 20
	}
	for i := range rounds {
		interleave(t, first+uint64(i))
		if t.Failed() {
			t.Fatalf("replay with -seed %d", first+uint64(i))
		}
	}
}

func interleave(t *testing.T, seed uint64) {
	h := hub.New(jittery{memory.New()}, hub.Config{})
	channels := []string{"a", "b"}
	var mu sync.Mutex
	acked := map[string][]uint64{} // offsets of each channel's publications
	top := map[string]hub.Position{}
	var stays []*stay
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			random := rand.New(rand.NewPCG(seed, uint64(worker)))
			var mine []*stay
			for range 40 {
				channel := channels[random.IntN(len(channels))]
				switch n := random.IntN(10); {
				case n < 4:
					pos := publish(t, h, channel, "x")
					mu.Lock()
					acked[channel] = append(acked[channel], pos.Offset)
					if pos.Offset > top[channel].Offset {
						top[channel] = pos
					}
					mu.Unlock()
				case n < 7 || len(mine) == 0:
					s := &stay{channel: channel}
					s.from = subscribe(t, h, channel, s)
					mine = append(mine, s)
				default:
					i := random.IntN(len(mine))
					s := mine[i]
					mine = slices.Delete(mine, i, i+1)
					mu.Lock()
					s.to = top[s.channel]
					stays = append(stays, s)
					mu.Unlock()
					unsubscribe(t, h, s.channel, s)
				}
			}
			for _, s := range mine {
				mu.Lock()
				s.to = top[s.channel]
				stays = append(stays, s)
				mu.Unlock()
				unsubscribe(t, h, s.channel, s)
			}
		})
	}
	wg.Wait()
	for _, s := range stays {
		checkChain(t, s.from, s.got)
		checkComplete(t, s, acked[s.channel])
	}
	if got := h.Channels(); got != 0 {
		t.Errorf("Channels() after all have left = %d, want 0", got)
	}
}

// checkComplete reports acked publications of the stay that were not delivered.
func checkComplete(t *testing.T, s *stay, acked []uint64) {
	t.Helper()
	got := map[uint64]bool{}
	for _, p := range s.got {
		got[p.Offset] = true
	}
	for _, offset := range acked {
		if offset > s.from.Offset && offset <= s.to.Offset && !got[offset] {
			t.Errorf("channel %s: offset %d was not delivered to a subscriber from %d to %d",
				s.channel, offset, s.from.Offset, s.to.Offset)
		}
	}
}
