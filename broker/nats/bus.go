package nats

import (
	"context"
	"fmt"
)

// Broadcast hands message to every node that listens.
func (b *Broker) Broadcast(ctx context.Context, message []byte) error {
	if err := b.live.Publish(b.names.bus(), message); err != nil {
		return fmt.Errorf("nats: broadcast: %w", err)
	}
	if err := b.flush(ctx); err != nil {
		return fmt.Errorf("nats: broadcast: %w", err)
	}
	return nil
}

// Listen has what is said from now on handed to hear. It does not block.
func (b *Broker) Listen(_ context.Context, hear func(message []byte)) error {
	b.feeds.mu.Lock()
	defer b.feeds.mu.Unlock()
	b.feeds.hear = hear
	return nil
}

// flush waits until the server has had everything.
func (b *Broker) flush(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	return b.live.FlushWithContext(ctx)
}
