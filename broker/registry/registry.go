// Package registry opens the broker that an operator names.
package registry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"

	"github.com/seed-15847954/ropewalk/broker/memory"
	"github.com/seed-15847954/ropewalk/broker/nats"
	"github.com/seed-15847954/ropewalk/hub"
)

// Memory names the broker in this process.
const Memory = "memory"

// Allowed says which names there are.
const Allowed = "memory, embedded, nats:// or tls:// with [user[:password]@]host[:port], redis://[[user]:password@]host[:port] or rediss:// for TLS, kafka://[user:password@]host:port, amqp://[user:password@]host[:port] of a RabbitMQ or amqps:// for TLS"

// ErrName is wrapped by the errors of names that are none.
var ErrName = errors.New("not the name of a broker")

// Options are what a broker is told besides where it is.
type Options struct {
	// MaxHistory bounds the bytes that a broker in this process keeps. Zero means its default.
	MaxHistory int

	// Embedded is for the broker named [Embedded]; its Log is not used.
	Embedded nats.EmbeddedConfig

	// Log takes what an operator may want to read. Nil means slog.Default.
	Log *slog.Logger
}

// A Broker is one that is open.
type Broker struct {
	hub.Broker

	// Name is its kind, such as "redis".
	Name string

	// Close ends it. No sink is called any more once it has returned.
	Close func()
}

// A scheme is a kind of broker.
type scheme struct {
	name string

	// parse returns how to open what u names. Its error must not repeat a password.
	parse func(u *url.URL) (opener, error)
}

// An opener connects to a broker, within the time of ctx.
type opener func(ctx context.Context, o Options) (hub.Broker, func(), error)

// schemes are the kinds of brokers, by the scheme of the URL that names one.
var schemes = map[string]scheme{
	"amqp":   {"rabbitmq", parseRabbitMQ},
	"amqps":  {"rabbitmq", parseRabbitMQ},
	"kafka":  {"kafka", parseKafka},
	"nats":   {"nats", parseNATS},
	"tls":    {"nats", parseNATS},
	"redis":  {"redis", parseRedis},
	"rediss": {"redis", parseRedis},
}

// Check reports whether name is the name of a broker. It opens nothing.
func Check(name string) error {
	_, _, err := parse(name)
	return err
}

// Open opens the broker of that name: [Memory], [Embedded] or a URL. It may try for as long as ctx lasts. Its errors
// do not repeat the name, which may hold a password.
func Open(ctx context.Context, name string, o Options) (Broker, error) {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	kind, open, err := parse(name)
	if err != nil {
		return Broker{}, err
	}
	b, end, err := open(ctx, o)
	if err != nil {
		return Broker{}, err
	}
	return Broker{b, kind, end}, nil
}

func parse(name string) (kind string, open opener, err error) {
	if name == Memory {
		return Memory, openMemory, nil
	}
	if name == Embedded {
		return Embedded, openEmbedded, nil
	}
	u, err := url.Parse(name)
	if err != nil { // which repeats the name
		return "", nil, fmt.Errorf("%w: neither memory, embedded nor a URL", ErrName)
	}
	s, ok := schemes[u.Scheme]
	if !ok {
		return "", nil, fmt.Errorf("%w: the scheme is %q", ErrName, u.Scheme)
	}
	open, err = s.parse(u)
	if err != nil {
		return "", nil, fmt.Errorf("%w: %s", ErrName, strings.ReplaceAll(err.Error(), name, u.Redacted()))
	}
	return s.name, open, nil
}

func openMemory(_ context.Context, o Options) (hub.Broker, func(), error) {
	return memory.New(memory.Config{MaxBytes: o.MaxHistory}), func() {}, nil
}
