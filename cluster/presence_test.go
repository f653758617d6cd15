package cluster

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestPresence(t *testing.T) {
	house(t, func(t *testing.T, nodes []*node) {
		a, b, c := nodes[0], nodes[1], nodes[2]
		a.enter("room", "x")
		b.enter("room", "y")
		b.enter("other", "z")
		a.enter("room", "x") // is there
		c.leave("room", "x") // is not its own
		c.leave("room", "nobody")
		<-time.After(100 * time.Millisecond)
		for _, n := range nodes {
			if got := n.present("room"); !slices.Equal(got, []string{"x", "y"}) {
				t.Errorf("present are %q", got)
			}
		}
		a.leave("room", "x")
		a.leave("room", "x")
		b.Close()
		<-time.After(100 * time.Millisecond)
		for _, n := range []*node{a, c} {
			if got := slices.Concat(n.present("room"), n.present("other")); len(got) > 0 {
				t.Errorf("present are %q", got)
			}
		}
		got := c.heard()
		slices.Sort(got)
		if want := []string{"+x", "+y", "+z", "-x", "-y", "-z"}; !slices.Equal(got, want) {
			t.Errorf("told of %q, want %q", got, want)
		}
	})
}

// Whoever comes later is told who is there, and many are told in parts.
func TestPresenceOfTheLate(t *testing.T) {
	house(t, func(t *testing.T, nodes []*node) {
		for i := range 10000 {
			nodes[i%3].enter("room", fmt.Sprintf("client %05d", i))
		}
		late := nodes[0].hall.node(t, "late", nil)
		defer late.Close()
		<-time.After(beatTime)
		if got := late.present("room"); len(got) != 10000 {
			t.Errorf("present are %d", len(got))
		}
	})
}

// Joins and leaves alternate for everybody, and in the end all nodes agree, whatever of what they say
// to each other gets lost.
func TestPresenceConverges(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			house(t, func(t *testing.T, nodes []*node) { converge(t, nodes, rand.New(rand.NewPCG(seed, 1))) })
		})
	}
}

func converge(t *testing.T, nodes []*node, chance *rand.Rand) {
	there := make(map[string]bool) // by node, channel and client
	for range 1000 {
		n := chance.IntN(len(nodes))
		channel, client := fmt.Sprint("room ", chance.IntN(3)), fmt.Sprintf("client %d of %d", chance.IntN(20), n)
		key := channel + " " + client
		switch chance.IntN(12) {
		case 0:
			often := chance.IntN(4)
			luck := rand.New(rand.NewPCG(chance.Uint64(), 2))
			nodes[n].set(func(s *seat) { s.lose = func([]byte) bool { return luck.IntN(4) < often } })
		case 1:
			deaf, mute := chance.IntN(3) == 0, chance.IntN(3) == 0
			nodes[n].set(func(s *seat) { s.deaf, s.mute = deaf, mute })
		case 2:
			<-time.After(time.Duration(chance.Int64N(int64(leaseTime))))
		case 3, 4:
			<-time.After(time.Duration(chance.Int64N(int64(50 * time.Millisecond))))
		case 5, 6, 7, 8:
			nodes[n].enter(channel, client)
			there[key] = true
		default:
			nodes[n].leave(channel, client)
			delete(there, key)
		}
	}
	for _, n := range nodes {
		n.set(func(s *seat) { s.lose, s.deaf, s.mute = nil, false, false })
	}
	<-time.After(3 * beatTime)
	synctest.Wait()
	for _, n := range nodes {
		got := make(map[string]bool)
		for i := range 3 {
			channel := fmt.Sprint("room ", i)
			for _, client := range n.present(channel) {
				got[channel+" "+client] = true
			}
		}
		if len(got) != len(there) {
			t.Errorf("%s knows %d members, want %d", n.config.Node, len(got), len(there))
		}
		for key := range there {
			if !got[key] || n.told[key] != 1 {
				t.Errorf("%s does not know of %s, or was not told", n.config.Node, key)
			}
		}
	}
}
