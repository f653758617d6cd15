package session

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15847954/ropewalk/hub"
)

var seed = flag.Uint64("seed", 0, "seed of the one interleaving that TestInterleavings runs; 0 means many, from a random one on")

// interleavings is how many seeds are run.
const interleavings = 1000

// Clients that subscribe, publish, unsubscribe, stall, break off and come back in any order
// neither deadlock nor lose, under each policy and with and without history. A seed
// decides the order of the steps. A failure names it:
//
//	go test ./session -run TestInterleavings -seed SEED
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
					sums[part].add(interleave(t, first+uint64(i), false))
				}
			})
		}
	})
	var sum tally
	for _, s := range sums {
		for i, n := range s {
			sum[i] += n
		}
	}
	t.Logf("%d declared lost, %d left out, lagged %d times, %d slow consumers", sum[0], sum[1], sum[2], sum[3])
	if slices.Contains(sum[:], 0) {
		t.Error("something never happened, want all of it")
	}
}

// A tally counts what was declared lost, left out, left to history, and disconnected.
type tally [4]int64

func (t *tally) add(s *scene) {
	t[0] += s.declared
	t[1] += s.stats.Dropped.Load() + s.stats.Conflated.Load() + s.stats.Latest.Load()
	t[2] += s.stats.Lagged.Load()
	t[3] += s.stats.Disconnected.Load()
}

// A place is one in the log of a channel.
type place struct {
	channel string
	hub.Position
}

// A scene is one interleaving.
type scene struct {
	*world
	t        *testing.T
	options  hub.Options
	maxQueue int
	broker   *broker
	hub      *hub.Hub
	set      Set
	lobby    Lobby
	stats    Stats
	players  []*player

	mu       sync.Mutex
	log      map[place]string   // what was published or delivered
	owners   map[place][]string // who was told that it is their own
	tops     map[string]hub.Position
	declared int64
	broken   []string
}

func interleave(t *testing.T, seed uint64, tell bool) (s *scene) {
	synctest.Test(t, func(t *testing.T) {
		s = newScene(t, seed)
		s.play()
		s.end()
		if tell {
			t.Log(strings.Join(s.steps, "\n"))
		}
		for _, broken := range s.broken {
			t.Errorf("%s; replay with -seed %d", broken, seed)
		}
	})
	return s
}

func newScene(t *testing.T, seed uint64) *scene {
	s := &scene{world: newWorld(seed), t: t, broker: newBroker(), log: make(map[place]string), owners: make(map[place][]string), tops: make(map[string]hub.Position)}
	s.options = hub.Options{HistoryTime: 100 * time.Hour, Presence: true, Joins: true, Slow: hub.Policy(seed % 5)}
	s.options.History = []int{1000, 1000, 5, 0}[s.random.IntN(4)]
	s.maxQueue = 1000 + 500*s.random.IntN(5)
	s.hub = hub.New(s.broker, hub.Config{Default: s.options, TailBytes: s.random.IntN(2) - 1})
	s.broker.before = s.pause
	for i := range 3 {
		s.players = append(s.players, &player{
			name: fmt.Sprint("p", i), scene: s, random: rand.New(rand.NewPCG(seed, uint64(i+1))), known: make(map[string]*knowledge),
		})
	}
	return s
}

func (s *scene) fail(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = append(s.broken, fmt.Sprintf(format, args...))
}

// declare counts a loss that a client is told of. With all of history there is none.
func (s *scene) declare(fail func(string, ...any)) {
	if s.options.History >= 1000 {
		fail("nothing can be lost, with all of history")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.declared++
}

// agree notes what is at a place. I4: that is the same for all.
func (s *scene) agree(channel string, pos hub.Position, word string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := place{channel, pos}
	if known, ok := s.log[at]; ok && known != word {
		s.broken = append(s.broken, fmt.Sprintf("%v of %s is %q and %q", pos, channel, known, word))
	}
	s.log[at] = word
}

// claim notes that a client was told that it has itself published what is at a place.
func (s *scene) claim(channel string, pos hub.Position, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := place{channel, pos}
	s.owners[at] = append(s.owners[at], name)
}

func (s *scene) publish(m hub.Message, word string) {
	m.Key = word[len(word)-1:]
	m.Data = []byte(word + strings.Repeat(".", len(word)*13%97))
	done, err := s.hub.Publish(context.Background(), m, nil)
	if err != nil {
		s.fail("publish: %v", err)
	}
	s.agree(m.Channel, done.Position, string(m.Data))
	s.mu.Lock()
	defer s.mu.Unlock()
	if done.Offset > s.tops[m.Channel].Offset {
		s.tops[m.Channel] = done.Position
	}
}

// play lets all act at once until they are done.
func (s *scene) play() {
	for _, p := range s.players {
		go p.play()
		go func() {
			for n := range 8 {
				s.pause(fmt.Sprint(p.name, " reads ", n))
				if l := p.line; l != nil {
					l.open(2)
				}
			}
		}()
	}
	for i, channel := range []string{"a", "a", "b"} {
		go func() {
			for n := range 12 {
				s.publish(hub.Message{Channel: channel}, fmt.Sprint("back end ", i, " ", n))
			}
		}()
	}
	s.run()
}

// end checks that, when everybody reads, everybody who is subscribed has heard of the last
// publication, that just those are present, and that nothing is left when
// all have gone.
func (s *scene) end() {
	for _, p := range s.players {
		if p.line != nil {
			p.line.open(unlimited)
		}
	}
	s.run()
	for _, channel := range []string{"a", "b"} {
		go s.publish(hub.Message{Channel: channel}, "the end of "+channel)
	}
	s.run()
	for _, channel := range []string{"a", "b"} {
		s.checkEnd(channel)
	}
	for _, p := range s.players {
		if p.session != nil {
			go p.session.Close(ErrLeft)
		}
	}
	s.run()
	s.lobby.Close()
	for _, channel := range []string{"a", "b"} {
		if n, _, _ := s.broker.Count(s.t.Context(), channel); n != 0 {
			s.fail("%d are present in %s at the end", n, channel)
		}
	}
	for at, names := range s.owners {
		for _, name := range names {
			if word, ok := s.log[at]; ok && !strings.HasPrefix(word, name) {
				s.fail("%v: %q was left out for %s, as its own", at, word, name)
			}
		}
	}
	if n := s.hub.Channels(); n != 0 {
		s.fail("%d channels are left", n)
	}
}

func (s *scene) checkEnd(channel string) {
	members, _, _ := s.broker.Members(s.t.Context(), channel, "", 100)
	present := map[string]bool{}
	for _, m := range members {
		present[m.Client] = true
	}
	for _, p := range s.players {
		k := p.channel(channel)
		subscribed := k.subscribed && p.session.Cause() == nil
		if subscribed && k.last != s.tops[channel] { // I2
			s.fail("%s is at %v of %s at the end, the log at %v", p.name, k.last, channel, s.tops[channel])
		}
		if subscribed != present[p.name] {
			s.fail("%s: subscribed to %s %v, present %v", p.name, channel, subscribed, present[p.name])
		}
		if p.session != nil && p.session.Queued() != 0 {
			s.fail("%s: %d bytes are queued at the end", p.name, p.session.Queued())
		}
	}
}
