package redis

import (
	"context"
	"fmt"

	"github.com/redis/rueidis"
)

// Broadcast hands message to every node that listens.
func (b *Broker) Broadcast(ctx context.Context, message []byte) error {
	command := b.client.B().Spublish().Channel(b.busChannel()).Message(rueidis.BinaryString(message)).Build()
	if err := b.client.Do(ctx, command).Error(); err != nil {
		return fmt.Errorf("redis: broadcast: %w", err)
	}
	return nil
}

// Listen has what is said from now on handed to hear.
func (b *Broker) Listen(ctx context.Context, hear func(message []byte)) error {
	if _, err := b.links.wait(ctx, nodesPlace); err != nil {
		return err
	}
	b.links.mu.Lock()
	defer b.links.mu.Unlock()
	b.links.hear = hear
	return nil
}

func (l *links) hearBus(message []byte) {
	l.mu.Lock()
	hear := l.hear
	l.mu.Unlock()
	if hear != nil {
		hear(message)
	}
}
