package proof

import (
	"fmt"
	"math/rand/v2"
)

// subscriptions is how many channels each client follows.
const subscriptions = 4

// A followPlan is what one client does with one channel.
type followPlan struct {
	channel string
	join    float64 // when it subscribes, as a part of all messages; 0 is before the first
	latest  int     // publications of the history to begin with

	// When it leaves, and when it comes back from where it was. Leave 0 is never.
	leave, back float64
}

// A sendPlan is one message.
type sendPlan struct {
	channel string
	id      string
	key     string // what it supersedes where a channel conflates
	data    []byte
	binary  bool // else JSON

	again   bool // sent once more when it was acked, as if the answer was lost
	refused bool // expects a position that the channel is not at
	others  bool // published with ExcludeSelf, by those who can
}

// A plan is everything that a run's clients and publishers do, by its seed.
type plan struct {
	clients    [][]followPlan
	publishers [][]sendPlan
	total      int // messages
}

func newPlan(c Config, rng *rand.Rand) *plan {
	p := &plan{}
	for range c.Clients {
		p.clients = append(p.clients, planClient(c, rng))
	}
	for i := range c.Publishers {
		var all []sendPlan
		for n := range (c.Messages + c.Publishers - 1) / c.Publishers {
			all = append(all, planMessage(c, rng, i, n))
		}
		p.publishers = append(p.publishers, all)
		p.total += len(all)
	}
	return p
}

func planClient(c Config, rng *rand.Rand) []followPlan {
	var all []followPlan
	for _, i := range rng.Perm(c.Channels)[:min(subscriptions, c.Channels)] {
		f := followPlan{channel: channelName(i)}
		switch rng.IntN(10) {
		case 0, 1:
			f.join = rng.Float64()
		case 2:
			f.join, f.latest = rng.Float64(), 1+rng.IntN(20)
		case 3:
			f.leave = 0.05 + 0.8*rng.Float64()
			f.back = f.leave + 0.1*rng.Float64()
		}
		all = append(all, f)
	}
	return all
}

func planMessage(c Config, rng *rand.Rand, publisher, n int) sendPlan {
	m := sendPlan{
		channel: channelName(rng.IntN(c.Channels)),
		id:      fmt.Sprintf("p%d-%d", publisher, n),
		key:     fmt.Sprintf("key %d", rng.IntN(3)),
		binary:  rng.IntN(8) == 0,
		again:   rng.IntN(20) == 0,
		refused: rng.IntN(50) == 0,
		others:  rng.IntN(8) == 0,
	}
	size := c.Size/2 + rng.IntN(c.Size+1)
	m.data = fmt.Appendf(nil, `{"publisher":%d,"n":%d,"fill":"%0*d"}`, publisher, n, size, rng.Uint32())
	return m
}

func channelName(i int) string { return fmt.Sprintf("proof.%d", i) }
