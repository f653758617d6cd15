// Package kafka is a broker on Apache Kafka: the channels' logs are the partitions of one
// topic, which every node reads whole and in order (package partitioned).
package kafka

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"

	"github.com/seed-15847954/ropewalk/broker/partitioned"
	"github.com/seed-15847954/ropewalk/hub"
)

const (
	// maxRecord bounds a record, in bytes: 16 MiB of data and what is around it.
	maxRecord = 17 << 20

	// maxReplicas is how many copies the topic is made with, where there are so many servers.
	maxReplicas = 3
)

// A Config says which Kafka, and which topic there. All nodes have the same.
type Config struct {
	// Seeds are addresses of some of its servers, host:port.
	Seeds []string

	// Topic is the name of the topic. One with ".bus" behind it is used as well. Empty means "ropewalk".
	Topic string

	// Partitions is how many the topic has, for ever. Zero means 16.
	Partitions int

	// StateTime is that of [partitioned.Config]. The topic keeps records three times as long.
	StateTime time.Duration

	// MaxHistory is that of [partitioned.Config].
	MaxHistory int

	// TLS and SASL, unless nil, are for the connections.
	TLS  *tls.Config
	SASL sasl.Mechanism

	// Log takes what an operator may want to read. Nil means slog.Default.
	Log *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.Topic == "" {
		c.Topic = "ropewalk"
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

func (c Config) busTopic() string { return c.Topic + ".bus" }

// options are those of every client.
func (c Config) options() []kgo.Opt {
	options := []kgo.Opt{
		kgo.SeedBrokers(c.Seeds...), kgo.ClientID("ropewalk"),
		kgo.DialTimeout(2 * time.Second), kgo.RequestTimeoutOverhead(3 * time.Second), kgo.RetryTimeout(3 * time.Second),
		kgo.MetadataMinAge(100 * time.Millisecond), kgo.RetryBackoffFn(func(int) time.Duration { return 100 * time.Millisecond }),
	}
	if c.TLS != nil {
		options = append(options, kgo.DialTLSConfig(c.TLS))
	}
	if c.SASL != nil {
		options = append(options, kgo.SASL(c.SASL))
	}
	return options
}

// A Broker is a [hub.Broker] with history and patterns, and a cluster.Bus. All methods may be
// called at once by many goroutines.
type Broker struct {
	*partitioned.Broker
	log *log
	bus *bus
}

// New connects to Kafka, makes the topics if there are none, and reads the log so far. Its error says
// why that did not succeed before ctx ended, and shows no password.
func New(ctx context.Context, config Config) (*Broker, error) {
	config = config.withDefaults()
	log, err := newLog(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	bus, err := newBus(ctx, config)
	if err != nil {
		log.close()
		return nil, fmt.Errorf("kafka: %w", err)
	}
	b, err := partitioned.New(ctx, partitioned.Config{Log: log, StateTime: config.StateTime, MaxHistory: config.MaxHistory, Logger: config.Log})
	if err != nil {
		bus.close()
		log.close()
		return nil, fmt.Errorf("kafka: %w", err)
	}
	return &Broker{b, log, bus}, nil
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

// Level says what was found of the topic's settings.
func (b *Broker) Level() hub.Level { return b.log.Level() }

// produce hands a record to the topic. It returns when all in-sync replicas have it, or ctx ends.
func produce(ctx context.Context, client *kgo.Client, r *kgo.Record) error {
	done := make(chan error, 1)
	// The record has its own time: what may have been sent is not given up.
	client.Produce(context.WithoutCancel(ctx), r, func(_ *kgo.Record, err error) { done <- err })
	select {
	case err := <-done:
		return judge(err)
	case <-ctx.Done():
		return fmt.Errorf("kafka: %w: %w", hub.ErrIndeterminate, context.Cause(ctx))
	}
}

// judge says whether a record whose producing has failed may be in the log.
func judge(err error) error {
	switch {
	case err == nil:
		return nil
	case notTaken(err):
		return fmt.Errorf("kafka: %w", err)
	}
	return fmt.Errorf("kafka: %w: %w", hub.ErrIndeterminate, err)
}

// errParts is why a topic is not used.
var errParts = errors.New("the number of partitions never changes")
