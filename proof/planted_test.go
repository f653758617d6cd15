package proof_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-15847954/ropewalk/broker/memory"
	"github.com/seed-15847954/ropewalk/hub"
	"github.com/seed-15847954/ropewalk/proof"
)

// A planted broker is a sound one with a bug in front of it. The chain of what it hands over is
// whole all the same: neither the hub nor a client can see that something is wrong, but
// only who knows what was published.
type planted struct {
	*memory.Broker
	publish func(b *memory.Broker, m hub.Message, o hub.PublishOptions) (hub.Published, error)
	deliver func(p *hub.Publication, next func(*hub.Publication))
	history func(p hub.Page) hub.Page
	epoch   string // of every life; empty is the broker's own
}

func (b *planted) Publish(_ context.Context, m hub.Message, o hub.PublishOptions) (hub.Published, error) {
	how := publish
	if b.publish != nil {
		how = b.publish
	}
	done, err := how(b.Broker, m, o)
	b.forge(&done.Position)
	return done, err
}

func publish(b *memory.Broker, m hub.Message, o hub.PublishOptions) (hub.Published, error) {
	return b.Publish(context.Background(), m, o)
}

func (b *planted) Subscribe(ctx context.Context, channel string, sink hub.Sink) (hub.Position, error) {
	at, err := b.Broker.Subscribe(ctx, channel, &plantedSink{b, sink})
	b.forge(&at)
	return at, err
}

func (b *planted) History(ctx context.Context, channel string, q hub.Query) (hub.Page, error) {
	if q.From != nil && q.From.Epoch == b.epoch {
		own, err := b.Broker.History(ctx, channel, hub.Query{Limit: 1})
		if err != nil {
			return own, err
		}
		q.From = &hub.Position{Epoch: own.Top.Epoch, Offset: q.From.Offset}
	}
	page, err := b.Broker.History(ctx, channel, q)
	if b.history != nil && q.From != nil && !q.Reverse {
		page = b.history(page)
	}
	b.forge(&page.Top)
	for i, p := range page.Publications {
		page.Publications[i] = b.forged(p)
	}
	return page, err
}

func (b *planted) forge(p *hub.Position) {
	if b.epoch != "" {
		p.Epoch = b.epoch
	}
}

func (b *planted) forged(p *hub.Publication) *hub.Publication {
	if b.epoch == "" {
		return p
	}
	return moved(p, hub.Position{Epoch: b.epoch, Offset: p.Offset}, p.Prev)
}

// moved returns p at another place.
func moved(p *hub.Publication, at hub.Position, prev uint64) *hub.Publication {
	return &hub.Publication{Message: p.Message, Position: at, Prev: prev, Time: p.Time}
}

type plantedSink struct {
	broker *planted
	hub.Sink
}

func (s *plantedSink) Deliver(p *hub.Publication) {
	p = s.broker.forged(p)
	if s.broker.deliver == nil {
		s.Sink.Deliver(p)
		return
	}
	s.broker.deliver(p, s.Sink.Deliver)
}

// drop loses one publication in 10,000.
func drop() hub.Broker {
	var seen atomic.Int64
	var mu sync.Mutex
	gaps := make(map[string]uint64) // the prev of what was lost, by channel
	return &planted{Broker: memory.New(memory.Config{}), deliver: func(p *hub.Publication, next func(*hub.Publication)) {
		mu.Lock()
		defer mu.Unlock()
		if seen.Add(1)%10_000 == 0 {
			gaps[p.Channel] = p.Prev
			return
		}
		if prev, ok := gaps[p.Channel]; ok {
			p = moved(p, p.Position, prev)
			delete(gaps, p.Channel)
		}
		next(p)
	}}
}

// duplicate publishes each hundredth message twice.
func duplicate() hub.Broker {
	var seen atomic.Int64
	return &planted{Broker: memory.New(memory.Config{}), publish: func(b *memory.Broker, m hub.Message, o hub.PublishOptions) (hub.Published, error) {
		done, err := publish(b, m, o)
		if err != nil || seen.Add(1)%100 != 0 {
			return done, err
		}
		return publish(b, m, forgetful(o))
	}}
}

// swap hands each hundredth publication over in the place of the next one of its channel.
func swap() hub.Broker {
	var mu sync.Mutex
	seen := 0
	held := make(map[string]*hub.Publication)
	return &planted{Broker: memory.New(memory.Config{}), deliver: func(p *hub.Publication, next func(*hub.Publication)) {
		mu.Lock()
		defer mu.Unlock()
		first := held[p.Channel]
		switch last := strings.HasPrefix(p.ID, "last-"); {
		case first != nil && last:
			next(first)
			next(p)
		case first != nil:
			next(moved(p, first.Position, first.Prev))
			next(moved(first, p.Position, p.Prev))
		case !last && seen%100 == 99:
			held[p.Channel] = p
			seen++
			return
		default:
			next(p)
		}
		seen++
		delete(held, p.Channel)
	}}
}

// sameEpoch has the epoch of every life be the same.
func sameEpoch() hub.Broker { return &planted{Broker: memory.New(memory.Config{}), epoch: "always"} }

// lie leaves the oldest publication out that was missed, and says that all was recovered.
func lie() hub.Broker {
	return &planted{Broker: memory.New(memory.Config{}), history: func(p hub.Page) hub.Page {
		if all := p.Publications; len(all) > 1 {
			p.Publications = slices.Clone(all[1:])
			p.Publications[0] = moved(all[1], all[1].Position, all[0].Prev)
		}
		return p
	}}
}

// double publishes a message again that is sent again.
func double() hub.Broker {
	return &planted{Broker: memory.New(memory.Config{}), publish: func(b *memory.Broker, m hub.Message, o hub.PublishOptions) (hub.Published, error) {
		return publish(b, m, forgetful(o))
	}}
}

// forgetful returns o for a broker that knows no ID again.
func forgetful(o hub.PublishOptions) hub.PublishOptions {
	options := *o.Options
	options.Dedup = 0
	o.Options = &options
	return o
}

func sound() hub.Broker { return &planted{Broker: memory.New(memory.Config{})} }

// runFault runs a fault against a server on such a broker.
func runFault(t *testing.T, name string, broker func() hub.Broker, c proof.Config) *proof.Result {
	t.Helper()
	c.Seed, c.Channels, c.Publishers, c.Patience = 1, 4, 8, 20*time.Second
	for _, f := range proof.Faults() {
		if f.Name == name {
			r, err := proof.Run(t.Context(), housed(broker), f, c)
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
	}
	t.Fatalf("there is no fault %q", name)
	return nil
}

// Each bug is found.
func TestPlantedBugs(t *testing.T) {
	for _, c := range []struct {
		name      string
		broker    func() hub.Broker
		fault     string
		clients   int
		messages  int
		invariant string
	}{
		{"drop 1 in 10,000", drop, "nothing", 4, 10_500, "I2"},
		{"duplicate", duplicate, "nothing", 8, 1000, "I6"},
		{"swap", swap, "nothing", 8, 1000, "I4"},
		{"epoch not rotated", sameEpoch, "drain", 8, 1000, "I4"},
		{"recovered that lies", lie, "cut", 8, 2000, "I2"},
		{"a retry that doubles", double, "nothing", 8, 1000, "I6"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := runFault(t, c.fault, c.broker, proof.Config{Clients: c.clients, Messages: c.messages})
			if r.OK() || r.Verdict.Found[c.invariant] == 0 {
				t.Errorf("%v, want a violation of %s", r, c.invariant)
			}
		})
	}
}

// Without a bug the same runs find nothing.
func TestSound(t *testing.T) {
	for _, fault := range []string{"nothing", "drain", "cut"} {
		if r := runFault(t, fault, sound, proof.Config{Clients: 8, Messages: 1500}); !r.OK() {
			t.Error(r)
		}
	}
}
