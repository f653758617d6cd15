package partitioned

import (
	"log/slog"
	"testing"

	"go.uber.org/goleak"

	"github.com/seed-15847954/ropewalk/broker/brokertest"
	"github.com/seed-15847954/ropewalk/hub"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t testing.TB, log Log) *Broker {
	t.Helper()
	b, err := New(t.Context(), Config{Log: log, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

func TestSuite(t *testing.T) {
	log := newTape(4)
	brokertest.Run(t, brokertest.Config{
		Open:   func(t testing.TB) hub.Broker { return open(t, log) },
		Claims: brokertest.Claims{Nodes: true, History: true, Patterns: true, Expect: true, Dedup: true},
	})
}
