package nats

import (
	"context"
	"fmt"

	"github.com/seed-15847954/ropewalk/hub"
)

// SubscribePattern hands the publications of all matching channels to sink. While there is a pattern
// this node is told of every channel's.
func (b *Broker) SubscribePattern(ctx context.Context, p hub.Pattern, sink hub.Sink) error {
	l := &b.feeds
	l.mu.Lock()
	l.patterns[p] = sink
	if l.all == nil {
		all, err := b.live.ChanSubscribe(b.names.live("*"), l.messages)
		if err != nil {
			delete(l.patterns, p)
			l.mu.Unlock()
			return fmt.Errorf("nats: subscribe to a pattern: %w", err)
		}
		l.all = all
	}
	l.mu.Unlock()
	if err := b.flush(ctx); err != nil {
		return fmt.Errorf("nats: subscribe to a pattern: %w", err)
	}
	return nil
}

// UnsubscribePattern ends that. A publication that is under way may still be handed over. The error is
// always nil.
func (b *Broker) UnsubscribePattern(_ context.Context, p hub.Pattern) error {
	l := &b.feeds
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.patterns, p)
	if len(l.patterns) == 0 && l.all != nil {
		_ = l.all.Unsubscribe() // of a connection that is closed there is nothing to undo
		l.all = nil
	}
	return nil
}

// match hands an entry to the sinks of the patterns that its channel matches.
func (l *feeds) match(e *entry) {
	channel, ok := channelOf(e.token)
	if !ok {
		return
	}
	p, err := e.publication(channel, e.prev)
	if err != nil {
		return
	}
	for _, sink := range l.matching(channel) {
		sink.Deliver(p)
	}
}

func (l *feeds) matching(channel string) (sinks []hub.Sink) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for pattern, sink := range l.patterns {
		if pattern.Match(channel) {
			sinks = append(sinks, sink)
		}
	}
	return sinks
}
