package registry

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/seed-15847954/ropewalk/broker/memory"
)

func TestMemory(t *testing.T) {
	b, err := Open(t.Context(), Memory, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if _, ok := b.Broker.(*memory.Broker); !ok || b.Name != Memory {
		t.Errorf("opened a %T named %s", b.Broker, b.Name)
	}
}

// Every kind's name is taken, with what may stand in it.
func TestNames(t *testing.T) {
	for _, name := range []string{
		"memory", "redis://localhost", "redis://:secret@10.0.0.1:6380", "rediss://user:secret@redis.example",
		"embedded", "nats://a", "nats://user:secret@a:4222,b:4222,c:4222", "tls://token@a?ca=/ca.pem&creds=/x.creds&prefix=two",
		"amqp://a", "amqp://user:secret@a,b:5673/vhost?prefix=p&partitions=4&state=24h", "amqps://[::1]?ca=/ca.pem",
		"kafka://a:9092", "kafka://user:secret@a:9092,b:9092?topic=t&partitions=4&state=2h&sasl=scram-sha-512&ca=/ca.pem", "kafka://a:1?tls=false",
	} {
		if err := Check(name); err != nil {
			t.Errorf("Check(%q) = %v", name, err)
		}
	}
}

// A name that is none is an error that does not show a password.
func TestBadNames(t *testing.T) {
	for _, name := range []string{
		"", "memoryy", "reds://u:secret@host", "redis://u:secret@host:port", "redis://u:secret@host/not-a-number", "\x7f://secret",
		"nats://", "nats://u:secret@a,,b", "nats://u:secret@a/path", "nats://u:secret@a?unknown=1",
		"amqp://", "amqp://u:secret@a,", "amqp://u:secret@a?ca=x", "amqp://u:secret@a?partitions=0", "amqp://u:secret@a?x=y",
		"kafka://", "kafka://u:secret@a", "kafka://u:secret@a:1,", "kafka://u:secret@a:1?partitions=x", "kafka://u:secret@a:1?sasl=x", "kafka://a:1?sasl=plain",
		"kafka://u:secret@a:1/x", "kafka://u:secret@a:1?state=1s", "kafka://u:secret@a:1?tls=x", "kafka://u:secret@a:1?tls=false&ca=x",
	} {
		err := Check(name)
		if !errors.Is(err, ErrName) || strings.Contains(err.Error(), "secret") {
			t.Errorf("Check(%q) = %v", name, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := Open(ctx, name, Options{}); !errors.Is(err, ErrName) {
			t.Errorf("Open(%q) = %v", name, err)
		}
	}
}

// A broker that is not there is an error within the time there is, and shows no password either.
func TestAway(t *testing.T) {
	for _, name := range []string{"redis://u:secret@127.0.0.1:1", "nats://u:secret@127.0.0.1:1", "kafka://u:secret@127.0.0.1:1", "amqp://u:secret@127.0.0.1:1"} {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		if _, err := Open(ctx, name, Options{}); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("Open(%q) = %v", name, err)
		}
		cancel()
	}
}
