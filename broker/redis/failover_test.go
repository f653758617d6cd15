//go:build interop

package redis

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/seed-15847954/ropewalk/hub"
	"github.com/seed-15847954/ropewalk/proof/service"
)

// honest checks that what came is one log behind pos in which nothing is missing, but where another epoch
// begins, and returns whether one does.
func (s *sink) honest(t *testing.T, pos hub.Position) (changed bool) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.got {
		switch {
		case p.Epoch != pos.Epoch:
			changed = true
		case p.Offset <= pos.Offset:
			continue // said live and read as well
		case p.Prev != pos.Offset:
			t.Fatalf("%v with prev %d behind %v", p.Position, p.Prev, pos)
		}
		pos = p.Position
	}
	return changed
}

// role returns whether a server says that it is one.
func role(t *testing.T, p *service.Process, what string) bool {
	t.Helper()
	info, err := service.Ask(t.Context(), p.Addr, "INFO")
	if err != nil {
		return false // it is away
	}
	return strings.Contains(info, "role:"+what+"\r")
}

// until waits until ok holds.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for !ok() {
		select {
		case <-again.C:
		case <-ctx.Done():
			t.Fatalf("still waiting for %s", what)
		}
	}
}

// A place is a group of servers in which "news" has a master and a replica.
type place struct {
	master, replica *service.Process
	client          rueidis.ClientOption
}

func atSentinel(t *testing.T) place {
	g := group(t, service.Sentinel)
	return place{g.Members[0], g.Members[1], bySentinel(g)}
}

func inCluster(t *testing.T) place {
	g := startCluster(t, 3, 1)
	p := place{client: rueidis.ClientOption{InitAddress: addrs(g.Members)}}
	b := openAs(t, p.client)
	routes, err := b.look(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range g.Members {
		if m.Addr == routes[partitionOf("news")] {
			p.master = m
		}
	}
	_, port, _ := strings.Cut(p.master.Addr, ":")
	for _, m := range g.Members {
		info, err := service.Ask(t.Context(), m.Addr, "INFO")
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(info, "master_port:"+port+"\r") {
			p.replica = m
		}
	}
	if p.replica == nil {
		t.Fatal("the master has no replica")
	}
	return p
}

// both runs a test with Sentinel and in a cluster.
func both(t *testing.T, test func(t *testing.T, p place)) {
	t.Run("sentinel", func(t *testing.T) { test(t, atSentinel(t)) })
	t.Run("cluster", func(t *testing.T) { test(t, inCluster(t)) })
}

// A replica that is promoted with all that anybody was told of goes on with the log, or says that it
// does not.
func TestPromotion(t *testing.T) {
	both(t, func(t *testing.T, p place) {
		here, there := openAs(t, p.client), openAs(t, p.client)
		s := newSink()
		begin := subscribe(t, here, s)
		publishMany(t, there, "before", 50)
		p.master.Kill()
		end := publishMany(t, there, "after", 50)
		s.await(t, "the last publication", has(end))
		s.honest(t, begin)
		// A node that comes while a server is away is not kept out.
		late, err := openAs(t, p.client).History(t.Context(), "news", hub.Query{Limit: 1, Reverse: true})
		if err != nil || late.Top != end {
			t.Errorf("a new node finds the top %v, %v; want %v", late.Top, err, end)
		}
	})
}

// One that is behind has another epoch: what was acknowledged meanwhile is declared lost.
func TestPromotionLoses(t *testing.T) {
	both(t, func(t *testing.T, p place) {
		here, there := openAs(t, p.client), openAs(t, p.client)
		s := newSink()
		begin := subscribe(t, here, s)
		publishMany(t, there, "before", 10)
		if err := p.replica.Pause(); err != nil {
			t.Fatal(err)
		}
		// What waits in its socket would not be lost.
		if _, err := service.Ask(t.Context(), p.master.Addr, "CLIENT KILL TYPE replica"); err != nil {
			t.Fatal(err)
		}
		lost := publishMany(t, there, "lost", 10)
		s.await(t, "what is lost later", has(lost))
		p.master.Kill()
		if err := p.replica.Resume(); err != nil {
			t.Fatal(err)
		}
		end := publishMany(t, there, "after", 10)
		if end.Epoch == begin.Epoch {
			t.Errorf("the epoch is still %s though acknowledged messages are lost", end.Epoch)
		}
		s.await(t, "the last publication", has(end))
		if !s.honest(t, begin) {
			t.Error("the subscriber has not seen another epoch")
		}
	})
}

// A master that was a replica in between, and has not heard of what its successor acknowledged, says so
// though it is the same process. Nobody asks for the log meanwhile, which would be a trace of the successor.
func TestMasterAgain(t *testing.T) {
	both(t, func(t *testing.T, p place) {
		b := openAs(t, p.client)
		publishMany(t, b, "before", 10)
		if err := p.master.Pause(); err != nil {
			t.Fatal(err)
		}
		until(t, "the promotion", func() bool { return role(t, p.replica, "master") })
		if err := p.master.Resume(); err != nil {
			t.Fatal(err)
		}
		until(t, "the old master to have what the new one has", func() bool {
			info, err := service.Ask(t.Context(), p.master.Addr, "INFO")
			return err == nil && strings.Contains(info, "master_link_status:up\r")
		})
		if err := p.master.Pause(); err != nil {
			t.Fatal(err)
		}
		if _, err := service.Ask(t.Context(), p.replica.Addr, "CLIENT KILL TYPE replica"); err != nil {
			t.Fatal(err)
		}
		lost := publishMany(t, b, "lost", 10)
		p.replica.Kill()
		if err := p.master.Resume(); err != nil {
			t.Fatal(err)
		}
		if end := publish(t, b, "after"); end.Epoch == lost.Epoch {
			t.Errorf("%v follows %v, which is lost", end, lost)
		}
	})
}

// A master that was only asleep acknowledges nothing any more that is not in the log.
func TestSleepingMaster(t *testing.T) {
	both(t, func(t *testing.T, p place) {
		here, there := openAs(t, p.client), openAs(t, p.client)
		s := newSink()
		begin := subscribe(t, here, s)
		publishMany(t, there, "before", 10)
		if err := p.master.Pause(); err != nil {
			t.Fatal(err)
		}
		// Those wait in its socket.
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		asleep := make(chan hub.Position, 100)
		for i := range 20 {
			go func() {
				m := hub.Message{Channel: "news", ID: fmt.Sprint("asleep ", i), Data: []byte("1")}
				done, err := there.Publish(ctx, m, hub.PublishOptions{Options: kept})
				if err != nil {
					done = hub.Published{}
				}
				asleep <- done.Position
			}()
		}
		until(t, "the promotion", func() bool { return role(t, p.replica, "master") })
		if err := p.master.Resume(); err != nil {
			t.Fatal(err)
		}
		publishMany(t, here, "after", 50)
		until(t, "the old master to give way", func() bool { return role(t, p.master, "slave") })
		end := publishMany(t, there, "end", 10)
		s.await(t, "the last publication", has(end))
		s.honest(t, begin)
		got := make(map[hub.Position]bool)
		page, err := here.History(t.Context(), "news", hub.Query{Limit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range page.Publications {
			got[p.Position] = true
		}
		for range 20 {
			pos := <-asleep
			if pos.Epoch == end.Epoch && !got[pos] {
				t.Errorf("%v was acknowledged and is not in the log", pos)
			}
		}
	})
}

// A slot that moves to another master takes its channels with it: nobody misses anything.
func TestMovedSlot(t *testing.T) {
	g := startCluster(t, 3, 0)
	client := rueidis.ClientOption{InitAddress: addrs(g.Members)}
	here, there := openAs(t, client), openAs(t, client)
	s, all := newSink(), newSink()
	begin := subscribe(t, here, s)
	pattern, err := hub.ParsePattern("n*")
	if err != nil {
		t.Fatal(err)
	}
	if err := here.SubscribePattern(t.Context(), pattern, all); err != nil {
		t.Fatal(err)
	}
	publishMany(t, there, "before", 10)
	routes, err := there.look(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	from := routes[partitionOf("news")]
	to := g.Members[0].Addr
	if to == from {
		to = g.Members[1].Addr
	}
	move(t, slotOf(partitionOf("news").tag()), from, to)
	end := publishMany(t, there, "after", 20)
	s.await(t, "the last publication", has(end))
	if s.honest(t, begin) {
		t.Error("there is another epoch though nothing is lost")
	}
	// Patterns hear all that is published once the slot is where it is for both nodes.
	until(t, "the route", func() bool {
		here.links.mu.Lock()
		defer here.links.mu.Unlock()
		return here.links.routes[partitionOf("news")] == to && here.links.connOf(partitionOf("news")) != nil
	})
	until(t, "the pattern", func() bool {
		last := publish(t, there, fmt.Sprint("again ", time.Now().UnixNano()))
		return all.holds(has(last))
	})
}

// move gives a slot from one server to another.
func move(t *testing.T, slot int, from, to string) {
	t.Helper()
	clients := make(map[string]rueidis.Client)
	for _, addr := range []string{from, to} {
		c, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{addr}, ForceSingleClient: true, DisableCache: true})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		clients[addr] = c
	}
	do := func(addr string, command ...string) rueidis.RedisResult {
		t.Helper()
		r := clients[addr].Do(t.Context(), clients[addr].B().Arbitrary(command...).Build())
		if err := r.Error(); err != nil {
			t.Fatalf("%s: %v: %v", addr, command, err)
		}
		return r
	}
	id := make(map[string]string)
	for addr := range clients {
		var err error
		if id[addr], err = do(addr, "CLUSTER", "MYID").ToString(); err != nil {
			t.Fatal(err)
		}
	}
	n := strconv.Itoa(slot)
	do(to, "CLUSTER", "SETSLOT", n, "IMPORTING", id[from])
	do(from, "CLUSTER", "SETSLOT", n, "MIGRATING", id[to])
	keys, err := do(from, "CLUSTER", "GETKEYSINSLOT", n, "10000").AsStrSlice()
	if err != nil {
		t.Fatal(err)
	}
	host, port, _ := strings.Cut(to, ":")
	do(from, append([]string{"MIGRATE", host, port, "", "0", "5000", "KEYS"}, keys...)...)
	do(to, "CLUSTER", "SETSLOT", n, "NODE", id[to])
	do(from, "CLUSTER", "SETSLOT", n, "NODE", id[to])
}
