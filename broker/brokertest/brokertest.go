// Package brokertest is the suite that every broker passes. It holds a [hub.Broker]
// to its contract: positions, order, history, deduplication, presence, patterns.
//
// A broker may be on the far side of a network: what it hands over is waited for, up
// to a deadline, and that nothing came is known from something later that did. The
// suite names its channels at random, so one server can serve many runs. Look for
// leaked goroutines in the TestMain of the broker's own tests.
package brokertest

import (
	"context"
	"crypto/rand"
	"fmt"
	"testing"
	"time"

	"github.com/seed-15847954/ropewalk/cluster"
	"github.com/seed-15847954/ropewalk/hub"
)

// A Config says what is tested and what it claims to do. What it does not claim is
// not asked of it.
type Config struct {
	// Open returns the broker of one more node, ready for use, and has it closed by
	// t.Cleanup.
	Open func(t testing.TB) hub.Broker

	Claims

	// Wait bounds the time that anything takes. Zero means 20 seconds.
	Wait time.Duration
}

// Claims are what a broker says of itself.
type Claims struct {
	// Nodes says that the brokers which Open returns share their logs.
	Nodes bool

	// History, Presence and Patterns say that the broker is a [hub.Historian], a
	// [hub.PresenceKeeper] and a [hub.PatternBroker]. It is nothing that it
	// does not claim.
	History, Presence, Patterns bool

	// Bus says that it is a [cluster.Bus].
	Bus bool

	// Slack is how many publications more than [hub.Options.History] may be kept,
	// for brokers that trim in blocks.
	Slack int

	// Expect says that expected positions are compared. A broker that cannot do
	// that refuses every message that comes with one.
	Expect bool

	// Dedup says that IDs are remembered.
	Dedup bool

	// Replays says that a publication may be handed over again behind later ones, as
	// after a lost connection. The first time each is in its place all the same.
	Replays bool
}

// A check is one test of the suite.
type check struct {
	name  string
	needs func(c Claims) bool // nil means nothing
	run   func(e *env)
}

func (c check) applies(claims Claims) bool { return c.needs == nil || c.needs(claims) }

// Run tests the broker that c describes: each rule in a subtest of its own.
func Run(t *testing.T, c Config) {
	for _, check := range checks() {
		if !check.applies(c.Claims) {
			continue
		}
		t.Run(check.name, func(t *testing.T) { check.run(newEnv(t, c)) })
	}
}

func checks() []check {
	all := []check{{name: "claims", run: claims}}
	for _, part := range [][]check{logChecks, nameChecks, historyChecks, onceChecks, presenceChecks, patternChecks, busChecks} {
		all = append(all, part...)
	}
	return all
}

// claims: the interfaces that a broker has are the ones that it claims.
func claims(e *env) {
	b := e.open()
	_, history := b.(hub.Historian)
	_, presence := b.(hub.PresenceKeeper)
	_, patterns := b.(hub.PatternBroker)
	_, bus := b.(cluster.Bus)
	for _, c := range []struct {
		what          string
		claimed, does bool
	}{
		{"hub.Historian", e.History, history},
		{"hub.PresenceKeeper", e.Presence, presence},
		{"hub.PatternBroker", e.Patterns, patterns},
		{"cluster.Bus", e.Bus, bus},
	} {
		if c.claimed != c.does {
			e.Errorf("%T is a %s: %v, claimed %v", b, c.what, c.does, c.claimed)
		}
	}
}

// An env is what one check works with.
type env struct {
	testing.TB
	Config
	ctx    context.Context
	prefix string // of the names of its channels
}

func newEnv(t testing.TB, c Config) *env {
	if c.Wait == 0 {
		c.Wait = 20 * time.Second
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*c.Wait)
	t.Cleanup(cancel)
	return &env{TB: t, Config: c, ctx: ctx, prefix: "suite." + rand.Text() + "."}
}

func (e *env) open() hub.Broker { return e.Open(e.TB) }

// nodes returns two brokers that share their logs, or the same one twice.
func (e *env) nodes() (here, there hub.Broker) {
	here = e.open()
	if !e.Nodes {
		return here, here
	}
	return here, e.open()
}

func (e *env) channel(name string) string { return e.prefix + name }

// options keep everything that the suite publishes.
func (e *env) options() *hub.Options {
	o := &hub.Options{Presence: true, Joins: true}
	if e.History {
		o.History, o.HistoryTime = 10_000, time.Hour
	}
	if e.Dedup {
		o.Dedup = time.Hour
	}
	return o
}

// until polls ok, and fails the test when that takes too long.
func (e *env) until(what string, ok func() bool) {
	e.Helper()
	deadline := time.NewTimer(e.Wait)
	defer deadline.Stop()
	again := time.NewTicker(time.Millisecond)
	defer again.Stop()
	for !ok() {
		select {
		case <-deadline.C:
			e.Fatalf("after %v still waiting for %s", e.Wait, what)
		case <-again.C:
		}
	}
}

// publish publishes m, which has to succeed.
func (e *env) publish(b hub.Broker, m hub.Message, o *hub.Options) hub.Published {
	e.Helper()
	done, err := b.Publish(e.ctx, m, hub.PublishOptions{Options: o})
	if err != nil {
		e.Fatalf("Publish to %q = %v", m.Channel, err)
	}
	return done
}

// say publishes text as the broker that keeps everything is told to.
func (e *env) say(b hub.Broker, channel, text string) hub.Position {
	e.Helper()
	return e.publish(b, message(channel, text), e.options()).Position
}

// sayMany publishes n texts and returns their positions.
func (e *env) sayMany(b hub.Broker, channel string, n int) []hub.Position {
	e.Helper()
	positions := make([]hub.Position, n)
	for i := range positions {
		positions[i] = e.say(b, channel, fmt.Sprint(i))
	}
	return positions
}

func message(channel, text string) hub.Message {
	return hub.Message{Channel: channel, Data: []byte(text), ContentType: "text/plain"}
}

func (e *env) subscribe(b hub.Broker, channel string, in *inbox) hub.Position {
	e.Helper()
	pos, err := b.Subscribe(e.ctx, channel, in)
	if err != nil {
		e.Fatalf("Subscribe to %q = %v", channel, err)
	}
	if pos.Epoch == "" {
		e.Errorf("Subscribe to %q = %v, without an epoch", channel, pos)
	}
	return pos
}

func (e *env) unsubscribe(b hub.Broker, channel string) {
	e.Helper()
	if err := b.Unsubscribe(e.ctx, channel); err != nil {
		e.Fatalf("Unsubscribe from %q = %v", channel, err)
	}
}
