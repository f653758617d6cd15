// Package hub holds the channels of one node: who is subscribed to which, and
// the fan-out of each publication to them. It knows no socket and no wire format;
// positions come from a [Broker].
//
// Locks are taken in the order Broker, channel, Subscriber. None is held
// while a channel's subscribers are walked, so that joining and leaving never wait
// for a broadcast.
package hub

import (
	"context"
	"fmt"
	"hash/maphash"
	"sync"
	"sync/atomic"
)

// shardCount spreads the map of channels over as many locks.
const shardCount = 64

// A Hub connects the subscribers of one node with the broker. All methods may be
// called at once by many goroutines.
type Hub struct {
	// Constant after New.
	broker   Broker
	near     bool           // the broker is a NearHistorian
	presence PresenceKeeper // nil: nobody keeps it
	options  *optionsTable
	seed     maphash.Seed

	shards   [shardCount]shard
	patterns patterns
	lookups  lookups
	tails    tails
	counts   counts
}

type shard struct {
	mu       sync.Mutex
	channels map[string]*channel
}

// counts are what [Stats] tells and only rises.
type counts struct {
	published, gaps, repaired, lost, reads, recalled atomic.Uint64

	recovered recoveries
}

// New returns a hub without channels that stands on broker. It panics when the
// pattern of a namespace is not one that [ParsePattern] takes.
func New(broker Broker, config Config) *Hub {
	h := &Hub{broker: broker, presence: config.Presence, options: newOptionsTable(config), seed: maphash.MakeSeed()}
	if h.presence == nil {
		h.presence, _ = broker.(PresenceKeeper)
	}
	h.tails.limit = int64(config.TailBytes)
	if config.TailBytes == 0 {
		h.tails.limit = defaultTailBytes
	}
	if _, h.near = broker.(NearHistorian); h.near {
		h.tails.limit = -1
	}
	for i := range h.shards {
		h.shards[i].channels = make(map[string]*channel)
	}
	return h
}

// Publish hands m to the broker and returns the position that it was given.
// Subscribers on this node may have received it before Publish returns. With
// expect, it is refused with [ErrConflict] at any other position of the channel, which
// is returned then.
// The error is one of [CheckChannel], [ErrText], [ErrDataTooBig] or the broker's.
func (h *Hub) Publish(ctx context.Context, m Message, expect *Position) (Published, error) {
	if err := CheckChannel(m.Channel); err != nil {
		return Published{}, err
	}
	if err := m.checkText(); err != nil {
		return Published{}, fmt.Errorf("publish to %q: %w", m.Channel, err)
	}
	o := h.Options(m.Channel)
	if o.MaxData > 0 && len(m.Data) > o.MaxData {
		return Published{}, fmt.Errorf("publish to %q: %w: %d bytes, the limit is %d", m.Channel, ErrDataTooBig, len(m.Data), o.MaxData)
	}
	done, err := h.broker.Publish(ctx, m, PublishOptions{Options: o, Expect: expect})
	if err != nil {
		return done, fmt.Errorf("publish to %q: %w", m.Channel, err)
	}
	if !done.Duplicate {
		h.counts.published.Add(1)
	}
	return done, nil
}

// Subscribe adds s to the subscribers of a channel and returns the position that
// it joined at: every publication behind it is delivered to s, and none before
// it, until s leaves or is told that it is lost. Deliveries may come before
// Subscribe returns. It blocks while the broker is asked, as long as ctx allows.
//
// The error is one of [CheckChannel], [ErrAlreadySubscribed],
// [ErrTooManySubscribers], the context's or the broker's; s is then not subscribed
// by this call.
func (h *Hub) Subscribe(ctx context.Context, name string, s Subscriber) (Position, error) {
	if err := CheckChannel(name); err != nil {
		return Position{}, err
	}
	ch := h.hold(name)
	pos, err := ch.join(ctx, s)
	if err != nil {
		h.release(ch, 1)
		return Position{}, fmt.Errorf("subscribe to %q: %w", name, err)
	}
	return pos, nil
}

// Unsubscribe removes s from the subscribers of a channel. The error is
// [ErrNotSubscribed], or the context's or the broker's when the broker could not
// be told that nobody listens any more; s is then removed all the same.
func (h *Hub) Unsubscribe(ctx context.Context, name string, s Subscriber) error {
	ch := h.find(name)
	if ch == nil || !ch.remove(s) {
		return fmt.Errorf("unsubscribe from %q: %w", name, ErrNotSubscribed)
	}
	// The subscriber's hold, which kept ch in the map until here.
	defer h.release(ch, 1)
	if err := ch.closeIfEmpty(ctx); err != nil {
		return fmt.Errorf("unsubscribe from %q: %w", name, err)
	}
	return nil
}

func (h *Hub) shard(name string) *shard {
	return &h.shards[maphash.String(h.seed, name)%shardCount]
}

func (h *Hub) find(name string) *channel {
	sh := h.shard(name)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return sh.channels[name]
}

// hold returns the channel of that name and counts one more user, which keeps it
// in the map until release.
func (h *Hub) hold(name string) *channel {
	sh := h.shard(name)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	ch := sh.channels[name]
	if ch == nil {
		ch = newChannel(h, name)
		sh.channels[name] = ch
	}
	ch.users++
	return ch
}

// release takes n users away.
func (h *Hub) release(ch *channel, n int) {
	sh := h.shard(ch.name)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	ch.users -= n
	if ch.users == 0 {
		delete(sh.channels, ch.name)
	}
}
