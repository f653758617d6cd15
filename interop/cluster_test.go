//go:build interop

package interop

import (
	"context"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	server "github.com/seed-15847954/ropewalk/proof/node"
	"github.com/seed-15847954/ropewalk/proof/service"
)

// nodesOn starts three nodes that share a broker of a kind, with more flags.
var nodesOn = map[string]func(t *testing.T, flags ...string) []*server.Node{
	"redis":    onBroker("redis", func(ctx context.Context) (*service.Process, error) { return service.Redis(ctx) }),
	"nats":     onBroker("nats", func(ctx context.Context) (*service.Process, error) { return service.NATS(ctx) }),
	"kafka":    onBroker("kafka", func(ctx context.Context) (*service.Process, error) { return service.Kafka(ctx) }),
	"rabbitmq": onBroker("amqp", service.RabbitMQ),
	"embedded": func(t *testing.T, flags ...string) []*server.Node {
		members := []string{freeAddr(t), freeAddr(t), freeAddr(t)}
		dir := t.TempDir()
		var own [][]string
		for i, member := range members {
			own = append(own, []string{"--cluster", strings.Join(members, ","), "--cluster-listen", member, "--data", filepath.Join(dir, strconv.Itoa(i))})
		}
		return startNodes(t, own, flags)
	},
}

// onBroker starts the nodes on a broker of their own.
func onBroker(scheme string, broker func(ctx context.Context) (*service.Process, error)) func(t *testing.T, flags ...string) []*server.Node {
	return func(t *testing.T, flags ...string) []*server.Node {
		p, err := broker(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Discard)
		own := []string{"--broker", scheme + "://" + p.Addr}
		return startNodes(t, [][]string{own, own, own}, flags)
	}
}

// startNodes starts them at once: some wait for each other.
func startNodes(t *testing.T, own [][]string, flags []string) []*server.Node {
	t.Helper()
	nodes, failed := make([]*server.Node, len(own)), make([]error, len(own))
	var all sync.WaitGroup
	for i := range own {
		all.Go(func() { nodes[i], failed[i] = server.Start(t.Context(), ropewalk, slices.Concat(own[i], flags)...) })
	}
	all.Wait()
	for i, n := range nodes {
		if failed[i] != nil {
			t.Errorf("node %d: %v", i, failed[i])
			continue
		}
		t.Cleanup(func() { _ = n.Close() }) // one of them has ended
	}
	if t.Failed() {
		t.FailNow()
	}
	return nodes
}

// Three nodes behind a proxy that takes them in turn serve clients of all transports: requests of
// one client come to all nodes. When a node is killed its clients go on with the others, and
// nobody loses anything.
func TestClusterBehindHAProxy(t *testing.T) {
	for kind, start := range nodesOn {
		t.Run(kind, func(t *testing.T) {
			w := prepareFaultWorld(t)
			nodes := start(t, "--config", w.config)
			w.front(nodes)
			w.addAll()
			w.start(1)
			w.await("are live", w.anywhere())
			for range 20 {
				w.publishPaced()
			}
			for _, c := range w.cutters {
				c.spoil(3)
			}
			for range 20 {
				w.publishPaced()
			}
			w.settle()
			if err := nodes[0].Close(); err != nil {
				t.Fatal(err)
			}
			killed := time.Now()
			for !w.publish() { // what comes to the node before the proxy knows is left open
				<-w.pace.C
			}
			w.settle()
			t.Logf("all clients had everything %v behind the end of a node", time.Since(killed).Round(time.Millisecond))
			for range 20 {
				w.publishPaced()
			}
			w.settle()
			w.end()
			for _, j := range w.jobs {
				for i, name := range w.channels {
					if r := w.judge.reasons(j.Client, i); strings.HasPrefix(name, "deep") && len(r) > 0 {
						t.Errorf("%s: lost in %.10s: %q", j.Client, name, r)
					}
				}
			}
		})
	}
}

// front has the nodes be the server, behind a proxy.
func (w *faultWorld) front(nodes []*server.Node) {
	var addrs []string
	for _, n := range nodes {
		addrs = append(addrs, n.Addr())
	}
	config := configure(w.t, "haproxy-cluster.cfg", map[string]any{"Addr": w.addr, "Nodes": addrs})
	start(w.t, w.addr, tool(w.t, "haproxy"), "-db", "-f", config)
}
