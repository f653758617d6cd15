// Package rabbitmq is a broker on RabbitMQ: the channels' logs are a few streams, which every node reads
// whole and in order (package partitioned). It speaks AMQP 0.9.1, which every RabbitMQ since 3.9 has streams for.
package rabbitmq

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"time"

	"github.com/seed-15847954/ropewalk/broker/partitioned"
	"github.com/seed-15847954/ropewalk/hub"
)

// A Config says which RabbitMQ, and which streams there. All nodes have the same.
type Config struct {
	// Addrs are addresses of some of its servers, host:port.
	Addrs []string

	// User, Password and VHost are those of AMQP. Empty means guest, guest and "/".
	User, Password, VHost string

	// TLS, unless nil, is for the connections.
	TLS *tls.Config

	// Prefix begins the names of all streams and exchanges. Empty means "ropewalk".
	Prefix string

	// Partitions is how many streams there are, for ever. Zero means 16.
	Partitions int

	// StateTime is that of [partitioned.Config]. The streams keep records three times as long.
	StateTime time.Duration

	// MaxHistory is that of [partitioned.Config].
	MaxHistory int

	// Log takes what an operator may want to read. Nil means slog.Default.
	Log *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.User == "" {
		c.User, c.Password = "guest", "guest"
	}
	if c.VHost == "" {
		c.VHost = "/"
	}
	if c.Prefix == "" {
		c.Prefix = "ropewalk"
	}
	if c.Partitions == 0 {
		c.Partitions = 16
	}
	if c.StateTime == 0 {
		c.StateTime = 24 * time.Hour
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return c
}

// A Broker is a [hub.Broker] with history and patterns, and a cluster.Bus. All methods may be
// called at once by many goroutines.
type Broker struct {
	*partitioned.Broker
	log *log
	bus *bus
}

// New connects to RabbitMQ, makes the streams if there are none, and reads them so far. Its error
// says why that did not succeed before ctx ended, and shows no password.
func New(ctx context.Context, config Config) (*Broker, error) {
	config = config.withDefaults()
	log, err := newLog(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("rabbitmq: %w", err)
	}
	b, err := partitioned.New(ctx, partitioned.Config{Log: log, StateTime: config.StateTime, MaxHistory: config.MaxHistory, Logger: config.Log})
	if err != nil {
		log.close()
		return nil, fmt.Errorf("rabbitmq: %w", err)
	}
	return &Broker{b, log, newBus(config)}, nil
}

// Close ends all connections. No sink is called any more once it has returned.
func (b *Broker) Close() {
	b.bus.close()
	b.Broker.Close()
	b.log.close()
}

// Broadcast hands message to every node that listens.
func (b *Broker) Broadcast(ctx context.Context, message []byte) error {
	return b.bus.broadcast(ctx, message)
}

// Listen has what is said from now on handed to hear.
func (b *Broker) Listen(ctx context.Context, hear func(message []byte)) error {
	return b.bus.listen(ctx, hear)
}

// Level says what RabbitMQ promises.
func (b *Broker) Level() hub.Level {
	return hub.Level{
		Acked:    "written by a majority of the servers that have the stream, and not synced to the disk",
		Warnings: []string{"a loss of power on a majority of the servers loses what was acknowledged last; with a single server, on that one"},
	}
}
