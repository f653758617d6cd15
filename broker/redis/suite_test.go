//go:build interop

package redis

import (
	"context"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"
	"go.uber.org/goleak"

	"github.com/seed-15847954/ropewalk/broker/brokertest"
	"github.com/seed-15847954/ropewalk/hub"
	"github.com/seed-15847954/ropewalk/proof/service"
)

func TestMain(m *testing.M) {
	// The client looks again for its servers a second after a connection has broken.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/redis/rueidis.(*call).DelayDo.func1"),
		goleak.IgnoreAnyFunction("github.com/redis/rueidis.(*clusterClient)._refresh.func2"))
}

// startRedis returns a Redis of this test's own.
func startRedis(t testing.TB, lines ...string) *service.Process {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	p, err := service.Redis(ctx, lines...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Discard)
	return p
}

func open(t testing.TB, p *service.Process) *Broker {
	return openAs(t, rueidis.ClientOption{InitAddress: []string{p.Addr}})
}

func openAs(t testing.TB, client rueidis.ClientOption) *Broker {
	t.Helper()
	b, err := New(t.Context(), Config{Client: client, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

var claims = brokertest.Claims{Nodes: true, History: true, Patterns: true, Bus: true, Expect: true, Dedup: true, Replays: true}

// suite has brokers of a kind do all that is asked of one.
func suite(t *testing.T, client rueidis.ClientOption) {
	brokertest.Run(t, brokertest.Config{
		Open:   func(t testing.TB) hub.Broker { return openAs(t, client) },
		Claims: claims,
	})
}

func TestSuite(t *testing.T) {
	suite(t, rueidis.ClientOption{InitAddress: []string{startRedis(t).Addr}})
}

func TestSuiteValkey(t *testing.T) {
	p, err := service.Valkey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Discard)
	suite(t, rueidis.ClientOption{InitAddress: []string{p.Addr}})
}

// group starts several servers.
func group(t testing.TB, start func(ctx context.Context) (*service.Replicated, error)) *service.Replicated {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	g, err := start(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Discard)
	return g
}

func startCluster(t testing.TB, masters, replicas int) *service.Replicated {
	t.Helper()
	return group(t, func(ctx context.Context) (*service.Replicated, error) {
		return service.RedisCluster(ctx, masters, replicas)
	})
}

func addrs(ps []*service.Process) []string {
	var all []string
	for _, p := range ps {
		all = append(all, p.Addr)
	}
	return all
}

func TestSuiteCluster(t *testing.T) {
	g := startCluster(t, 3, 0)
	suite(t, rueidis.ClientOption{InitAddress: addrs(g.Members[:1])})
}

// bySentinel is how to connect with the master that Sentinels name.
func bySentinel(g *service.Replicated) rueidis.ClientOption {
	return rueidis.ClientOption{InitAddress: addrs(g.Watchers), Sentinel: rueidis.SentinelOption{MasterSet: "main"}}
}

func TestSuiteSentinel(t *testing.T) {
	suite(t, bySentinel(group(t, service.Sentinel)))
}

// A user with the permissions that the how-to page names can do everything.
func TestPermissions(t *testing.T) {
	const acl = "~rw:* &rw:* +@all -@dangerous +info"
	page, err := os.ReadFile("../../docs/how-to/broker-redis.md")
	if err != nil || !strings.Contains(string(page), acl) {
		t.Fatalf("the page does not name %q (%v)", acl, err)
	}
	p := startRedis(t, "user ropewalk on >secret "+acl)
	suite(t, rueidis.ClientOption{InitAddress: []string{p.Addr}, Username: "ropewalk", Password: "secret"})
	if _, err := New(t.Context(), Config{Client: rueidis.ClientOption{
		InitAddress: []string{p.Addr}, Username: "ropewalk", Password: "wrong",
	}}); err == nil || strings.Contains(err.Error(), "wrong\"") {
		t.Errorf("New with a wrong password = %v", err)
	}
}
