//go:build interop

package redis

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-15847954/ropewalk/cluster"
	"github.com/seed-15847954/ropewalk/hub"
)

// counted returns how often Redis has carried out commands, by their names, those of functions
// included.
func counted(t *testing.T, b *Broker) map[string]int {
	t.Helper()
	stats, err := b.client.Do(t.Context(), b.client.B().Info().Section("commandstats").Build()).ToString()
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]int)
	for _, m := range regexp.MustCompile(`cmdstat_([^:]+):calls=(\d+)`).FindAllStringSubmatch(stats, -1) {
		if all[m[1]], err = strconv.Atoi(m[2]); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// A deaf subscriber is in nobody's way.
type deaf struct{ _ int }

func (*deaf) Deliver(*hub.Publication)   {}
func (*deaf) Change(*hub.PresenceChange) {}

func (*deaf) Moved(hub.Position) {}
func (*deaf) Lost(error)         {}

// 10,000 clients of a node that has ended come to two others, and ask for what they have missed from
// places of their own: each node reads a channel at most once in 100 ms.
func TestHerd(t *testing.T) {
	const clients, channels, missed = 10000, 10, 50
	p := startRedis(t)
	var nodes []*hub.Hub
	for range 2 {
		nodes = append(nodes, hub.New(open(t, p), hub.Config{Default: *kept}))
	}
	watch := open(t, p)
	positions := make(map[string][]hub.Position)
	for i := range channels * missed {
		channel := fmt.Sprint("channel ", i%channels)
		done, err := watch.Publish(t.Context(), hub.Message{Channel: channel, Data: []byte("1")}, hub.PublishOptions{Options: kept})
		if err != nil {
			t.Fatal(err)
		}
		positions[channel] = append(positions[channel], done.Position)
	}
	before, began := counted(t, watch), time.Now()
	var all sync.WaitGroup
	for i := range clients {
		h, channel, from := nodes[i%2], fmt.Sprint("channel ", i%channels), rand.IntN(missed)
		all.Go(func() {
			at, err := h.Subscribe(t.Context(), channel, new(deaf))
			if err != nil {
				t.Error(err)
				return
			}
			ps, err := h.Recover(t.Context(), channel, positions[channel][from], at, missed)
			if err != nil || len(ps) != missed-1-from {
				t.Errorf("recovered %d publications, want %d, %v", len(ps), missed-1-from, err)
			}
		})
	}
	all.Wait()
	took, after := time.Since(began), counted(t, watch)
	reads := after["xrange"] + after["xrevrange"] - before["xrange"] - before["xrevrange"]
	t.Logf("%d clients were served in %v with %d reads", clients, took.Round(time.Millisecond), reads)
	if limit := len(nodes) * channels * (1 + int(took/(100*time.Millisecond))); reads == 0 || reads > limit {
		t.Errorf("%d reads, want 1 to %d", reads, limit)
	}
}

// The presence of 10,000 clients in 1,000 channels, on two nodes, costs Redis at most 10 commands a
// second and node while nobody comes or goes.
func TestPresenceAtRest(t *testing.T) {
	const clients, channels, seconds = 10000, 1000, 6
	p := startRedis(t)
	var nodes []*cluster.Cluster
	for i := range 2 {
		c := cluster.New(cluster.Config{Node: strings.Repeat("n", i+1), Bus: open(t, p), Log: slog.New(slog.DiscardHandler)})
		if err := c.Start(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		nodes = append(nodes, c)
	}
	for i := range clients {
		if err := nodes[i%2].Enter(t.Context(), fmt.Sprint("channel ", i%channels), hub.Member{Client: fmt.Sprint(i)}, true); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range nodes {
		for i := range channels {
			awaitClients(t, c, fmt.Sprint("channel ", i), clients/channels)
		}
	}
	watch := open(t, p)
	sum := func() (n int) {
		for _, calls := range counted(t, watch) {
			n += calls
		}
		return n
	}
	before := sum()
	timer := time.NewTimer(seconds * time.Second)
	defer timer.Stop()
	<-timer.C
	// Three brokers renew a lease, and two nodes speak.
	n := sum() - before
	t.Logf("%d commands in %d seconds", n, seconds)
	if n == 0 || n > 2*10*seconds {
		t.Errorf("%d commands, want at most %d", n, 2*10*seconds)
	}
}

func awaitClients(t *testing.T, c *cluster.Cluster, channel string, want int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for {
		n, _, err := c.Count(ctx, channel)
		if err == nil && n == want {
			return
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			t.Fatalf("%s has %d clients, want %d, %v", channel, n, want, err)
		}
	}
}
