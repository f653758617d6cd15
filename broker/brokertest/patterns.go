package brokertest

import (
	"fmt"
	"slices"

	"github.com/seed-15847954/ropewalk/hub"
)

func needsPatterns(c Claims) bool { return c.Patterns }

var patternChecks = []check{
	{"a pattern gets what matches it", needsPatterns, matching},
	{"a pattern's sink is replaced and ended", needsPatterns, patternEnds},
}

// A collector is the sink of a pattern, which is called at once for different channels.
type collector struct{ inbox }

func (c *collector) Deliver(p *hub.Publication) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.got = append(c.got, p)
}

func (e *env) collector() *collector { return &collector{inbox{e: e}} }

// of returns what came of one channel.
func (c *collector) of(channel string) []hub.Position {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []hub.Position
	for _, p := range c.got {
		if p.Channel == channel {
			all = append(all, p.Position)
		}
	}
	return all
}

func (e *env) pattern(s string) hub.Pattern {
	p, err := hub.ParsePattern(e.prefix + s)
	if err != nil {
		e.Fatalf("ParsePattern = %v", err)
	}
	return p
}

// follow subscribes to a pattern and waits until it is in effect.
func (e *env) follow(here, there hub.Broker, pattern, example string, c *collector) {
	e.Helper()
	if err := here.(hub.PatternBroker).SubscribePattern(e.ctx, e.pattern(pattern), c); err != nil {
		e.Fatalf("SubscribePattern = %v", err)
	}
	channel := e.channel(example)
	e.until("the pattern to be in effect", func() bool {
		e.say(there, channel, "probe")
		return len(c.of(channel)) > 0
	})
}

// matching: whether or not anyone is subscribed to the channel itself, and each
// channel's in its order.
func matching(e *env) {
	here, there := e.nodes()
	one, all := e.collector(), e.collector()
	e.follow(here, there, "m.*", "m.probe", one)
	e.follow(here, there, "**", "x.y.probe", all)
	e.subscribe(there, e.channel("m.2"), e.inbox())
	acked := map[string][]hub.Position{}
	for i := range 40 {
		channel := e.channel([]string{"m.1", "m.2", "m.1.2", "n.1"}[i%4])
		acked[channel] = append(acked[channel], e.say(there, channel, fmt.Sprint(i)))
	}
	for name, both := range map[string]bool{"m.1": true, "m.2": true, "m.1.2": false, "n.1": false} {
		channel := e.channel(name)
		want := acked[channel]
		e.until("the pattern's publications", func() bool { return len(all.of(channel)) >= len(want) && (!both || len(one.of(channel)) >= len(want)) })
		if got := all.of(channel); !slices.Equal(got, want) {
			e.Errorf("** got %v of %s, want %v", got, name, want)
		}
		if !both {
			want = nil
		}
		if got := one.of(channel); !slices.Equal(got, want) {
			e.Errorf("m.* got %v of %s, want %v", got, name, want)
		}
	}
}

func patternEnds(e *env) {
	here, there := e.nodes()
	pattern, channel := "p.*", e.channel("p.1")
	first, second, witness := e.collector(), e.collector(), e.collector()
	e.follow(here, there, "**", "p.1", witness)
	e.follow(here, there, pattern, "p.1", first)
	e.follow(here, there, pattern, "p.1", second)
	// What was under way to a sink that is over may still come; a sink that goes on
	// getting all is not over.
	over := func(c *collector, what string) {
		e.until(what, func() bool {
			before := len(c.of(channel))
			end := e.say(there, channel, "more")
			e.until("the witness to get it", func() bool { return slices.Contains(witness.of(channel), end) })
			return len(c.of(channel)) == before
		})
	}
	over(first, "the first sink to be over")
	if err := here.(hub.PatternBroker).UnsubscribePattern(e.ctx, e.pattern(pattern)); err != nil {
		e.Fatalf("UnsubscribePattern = %v", err)
	}
	over(second, "the second sink to be over")
}
