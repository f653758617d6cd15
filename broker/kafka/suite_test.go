//go:build interop

package kafka

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/seed-15847954/ropewalk/broker/brokertest"
	"github.com/seed-15847954/ropewalk/hub"
	"github.com/seed-15847954/ropewalk/proof/service"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// startKafka returns a Kafka of this test's own.
func startKafka(t testing.TB) *service.Process {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	p, err := service.Kafka(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Discard)
	return p
}

func open(t testing.TB, p *service.Process) *Broker {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	b, err := New(ctx, Config{Seeds: []string{p.Addr}, Partitions: partitionsOfTests, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

func TestSuite(t *testing.T) {
	p := startKafka(t)
	brokertest.Run(t, brokertest.Config{
		Open:   func(t testing.TB) hub.Broker { return open(t, p) },
		Claims: brokertest.Claims{Nodes: true, History: true, Patterns: true, Bus: true, Expect: true, Dedup: true},
	})
}
