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
	"errors"
	"fmt"
	"hash/maphash"
	"sync"
)

// Errors that callers compare.
var (
	ErrAlreadySubscribed = errors.New("already subscribed")
	ErrNotSubscribed     = errors.New("not subscribed")
)

// shardCount spreads the map of channels over as many locks.
const shardCount = 64

// A Hub connects the subscribers of one node with the broker. All methods may be
// called at once by many goroutines.
type Hub struct {
	broker Broker
	seed   maphash.Seed
	shards [shardCount]shard
}

type shard struct {
	mu       sync.Mutex
	channels map[string]*channel
}

// New returns a hub without channels that stands on broker.
func New(broker Broker) *Hub {
	h := &Hub{broker: broker, seed: maphash.MakeSeed()}
	for i := range h.shards {
		h.shards[i].channels = make(map[string]*channel)
	}
	return h
}

// Publish hands m to the broker and returns the position that it was given.
// Subscribers on this node may have received it before Publish returns.
// The error is one of [CheckChannel] or the broker's.
func (h *Hub) Publish(ctx context.Context, m Message, expect *Position) (Published, error) {
	if err := CheckChannel(m.Channel); err != nil {
		return Published{}, err
	}
	done, err := h.broker.Publish(ctx, m, PublishOptions{Options: h.Options(m.Channel), Expect: expect})
	if err != nil {
		return Published{}, fmt.Errorf("publish to %q: %w", m.Channel, err)
	}
	return done, nil
}

// Options returns those of the channel.
func (h *Hub) Options(string) *Options { return &Options{} }

// Subscribe adds s to the subscribers of a channel and returns the position that
// it joined at: every publication behind it is delivered to s, and none before
// it. Deliveries may come before Subscribe returns. It blocks while the broker
// is asked, as long as ctx allows.
//
// The error is one of [CheckChannel], [ErrAlreadySubscribed], the context's or
// the broker's; s is then not subscribed.
func (h *Hub) Subscribe(ctx context.Context, name string, s Subscriber) (Position, error) {
	if err := CheckChannel(name); err != nil {
		return Position{}, err
	}
	ch := h.hold(name)
	pos, err := ch.join(ctx, h.broker, s)
	if err != nil {
		h.release(ch)
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
	defer h.release(ch)
	if err := ch.closeIfEmpty(ctx, h.broker); err != nil {
		return fmt.Errorf("unsubscribe from %q: %w", name, err)
	}
	return nil
}

// Subscribers returns how many subscribers the channel has on this node.
func (h *Hub) Subscribers(name string) int {
	if ch := h.find(name); ch != nil {
		return ch.size()
	}
	return 0
}

// Channels returns how many channels have subscribers on this node, or are about
// to have or to lose them.
func (h *Hub) Channels() int {
	n := 0
	for i := range h.shards {
		sh := &h.shards[i]
		sh.mu.Lock()
		n += len(sh.channels)
		sh.mu.Unlock()
	}
	return n
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
		ch = newChannel(name)
		sh.channels[name] = ch
	}
	ch.users++
	return ch
}

func (h *Hub) release(ch *channel) {
	sh := h.shard(ch.name)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	ch.users--
	if ch.users == 0 {
		delete(sh.channels, ch.name)
	}
}
