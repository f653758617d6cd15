//go:build interop

package nats

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/seed-15847954/ropewalk/broker/brokertest"
	"github.com/seed-15847954/ropewalk/hub"
	"github.com/seed-15847954/ropewalk/proof/service"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var claims = brokertest.Claims{Nodes: true, History: true, Patterns: true, Bus: true, Expect: true, Dedup: true, Replays: true}

// startNATS returns a NATS of this test's own.
func startNATS(t testing.TB, lines ...string) *service.Process {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 120*time.Second)
	defer cancel()
	p, err := service.NATS(ctx, lines...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Discard)
	return p
}

func open(t testing.TB, config Config) *Broker {
	t.Helper()
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	b, err := New(ctx, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

func openAt(t testing.TB, p *service.Process) *Broker {
	t.Helper()
	return open(t, Config{URL: "nats://" + p.Addr})
}

// One server in a process of its own passes the suite.
func TestSuite(t *testing.T) {
	p := startNATS(t)
	brokertest.Run(t, brokertest.Config{Open: func(t testing.TB) hub.Broker { return openAt(t, p) }, Claims: claims})
}

func openInside(t testing.TB, config EmbeddedConfig) *Broker {
	t.Helper()
	b, err := tryInside(t, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

func tryInside(t testing.TB, config EmbeddedConfig) (*Broker, error) {
	config.Log = slog.New(slog.DiscardHandler)
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	defer cancel()
	return NewEmbedded(ctx, config)
}

// A member is one node of a cluster.
type member struct {
	broker *Broker
	config EmbeddedConfig
}

// cluster starts three nodes in this process.
func cluster(t testing.TB) []*member {
	t.Helper()
	text := freeAddr(t) + " " + freeAddr(t) + " " + freeAddr(t)
	var members []*member
	var wg sync.WaitGroup
	for _, addr := range strings.Fields(text) {
		m := &member{config: EmbeddedConfig{Cluster: strings.Fields(text), Listen: addr, Secret: "s3cret", Dir: t.TempDir()}}
		members = append(members, m)
		wg.Go(func() {
			b, err := tryInside(t, m.config)
			if err != nil {
				t.Error(err)
				return
			}
			t.Cleanup(b.Close)
			m.broker = b
		})
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return members
}

func freeAddr(t testing.TB) string {
	t.Helper()
	addr, err := service.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

// shared is a broker that several tests of a suite use as one node, which stays open.
func shared(nodes ...*Broker) func(t testing.TB) hub.Broker {
	var n atomic.Int64
	return func(testing.TB) hub.Broker { return nodes[int(n.Add(1))%len(nodes)] }
}

// A server in this process, alone, passes it.
func TestEmbeddedSuite(t *testing.T) {
	b := openInside(t, EmbeddedConfig{Dir: t.TempDir()})
	c := claims
	c.Nodes = false
	brokertest.Run(t, brokertest.Config{Open: shared(b), Claims: c})
}

// Three servers in this process pass it.
func TestClusterSuite(t *testing.T) {
	m := cluster(t)
	brokertest.Run(t, brokertest.Config{Open: shared(m[0].broker, m[1].broker, m[2].broker), Claims: claims})
}
