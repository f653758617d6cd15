package redis

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"sync"

	"github.com/redis/rueidis"

	"github.com/seed-15847954/ropewalk/hub"
)

// patterns are the subscriptions to patterns of this node. While there are any it hears
// everything that is published.
type patterns struct {
	switching chan struct{} // holds one while somebody begins or ends hearing

	mu    sync.Mutex
	sinks map[hub.Pattern]hub.Sink // never changed, but replaced
	hears bool                     // everything, or is to
}

func (p *patterns) init() { p.switching = make(chan struct{}, 1) }

func (p *patterns) all() map[hub.Pattern]hub.Sink {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sinks
}

// change has do change the subscriptions, and reports whether there are any.
func (p *patterns) change(do func(sinks map[hub.Pattern]hub.Sink)) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	sinks := maps.Clone(p.sinks)
	if sinks == nil {
		sinks = make(map[hub.Pattern]hub.Sink)
	}
	do(sinks)
	p.sinks = sinks
	return len(sinks) > 0
}

func (p *patterns) set(hears bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hears = hears
}

func (p *patterns) hearing() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hears
}

// lock makes the caller the one who begins or ends hearing, until it calls unlock.
func (p *patterns) lock(ctx context.Context) (unlock func(), err error) {
	select {
	case p.switching <- struct{}{}:
		return func() { <-p.switching }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// everything is the pub/sub channel of all that is published in a partition.
func (b *Broker) everything(p partition) string { return b.partitionKey(p) }

// SubscribePattern hands the publications of all matching channels to sink.
func (b *Broker) SubscribePattern(ctx context.Context, p hub.Pattern, sink hub.Sink) error {
	unlock, err := b.patterns.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	b.patterns.change(func(sinks map[hub.Pattern]hub.Sink) { sinks[p] = sink })
	if b.patterns.hearing() {
		return nil
	}
	b.patterns.set(true) // a connection that comes meanwhile hears it
	for place := range partition(partitions) {
		if err := b.hearEverything(ctx, place); err != nil {
			b.patterns.change(func(sinks map[hub.Pattern]hub.Sink) { delete(sinks, p) })
			b.patterns.set(false)
			return fmt.Errorf("redis: subscribe to a pattern: %w", err)
		}
	}
	return nil
}

// hearEverything subscribes to all of a partition, wherever that is.
func (b *Broker) hearEverything(ctx context.Context, p partition) error {
	for {
		conn, err := b.links.wait(ctx, p)
		if err != nil {
			return err
		}
		if err = b.links.ask(ctx, conn, []string{b.everything(p)}); !isMoved(err) {
			return err
		}
		b.links.kick()
		if err := pause(ctx, againTime); err != nil {
			return err
		}
	}
}

// UnsubscribePattern ends that. A publication that is under way may still be handed over.
func (b *Broker) UnsubscribePattern(ctx context.Context, p hub.Pattern) error {
	unlock, err := b.patterns.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if b.patterns.change(func(sinks map[hub.Pattern]hub.Sink) { delete(sinks, p) }) || !b.patterns.hearing() {
		return nil
	}
	b.patterns.set(false)
	for place := range partition(partitions) {
		b.links.mu.Lock()
		conn := b.links.connOf(place)
		b.links.mu.Unlock()
		if conn == nil {
			continue
		}
		err := conn.Do(ctx, conn.B().Sunsubscribe().Channel(b.everything(place)).Build()).Error()
		if err != nil && !isMoved(err) {
			return err
		}
	}
	return nil
}

// hearStranger takes what comes in a pub/sub channel that is none of a subscription.
func (b *Broker) hearStranger(m rueidis.PubSubMessage) error {
	if !b.isEverything(m.Channel) {
		return nil // of a subscription that has ended
	}
	return b.hearAll(m.Message)
}

// isEverything reports whether a pub/sub channel is one of everything. A channel's name may look
// like the end of one.
func (b *Broker) isEverything(name string) bool {
	rest, ok := strings.CutPrefix(name, b.config.Prefix+":{")
	_, rest, _ = strings.Cut(rest, "}")
	return ok && rest == ":"+kindPartition+":"
}

// hearAll takes a message of a partition: the name of a channel and what was said there.
func (b *Broker) hearAll(message string) error {
	channel, body, err := cutName(message)
	if err != nil || !strings.HasPrefix(body, "p") {
		return err // of a later version, if it is no error
	}
	publication, tag, err := parsePublication(channel, body[1:])
	if err != nil {
		return err
	}
	place := partitionOf(channel)
	b.fences.see(place, publication.Offset)
	if _, err := b.accept(place, tag); err != nil {
		return err
	}
	for pattern, sink := range b.patterns.all() {
		if pattern.Match(channel) {
			sink.Deliver(publication)
		}
	}
	return nil
}

// cutName returns the channel's name, behind its length, and the rest.
func cutName(message string) (channel, rest string, err error) {
	length, rest, ok := strings.Cut(message, ":")
	n, err := strconv.Atoi(length)
	if !ok || err != nil || n < 0 || n > len(rest) {
		return "", "", errors.New("no channel's name")
	}
	channel, rest = rest[:n], rest[n:]
	return channel, rest, hub.CheckChannel(channel)
}
