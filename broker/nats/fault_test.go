//go:build interop

package nats

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/seed-15847954/ropewalk/hub"
	"github.com/seed-15847954/ropewalk/proof/service"
)

var kept = &hub.Options{History: 5000, HistoryTime: time.Hour, Dedup: time.Hour}

// A sink remembers, and tells of each publication.
type sink struct {
	mu    sync.Mutex
	got   []*hub.Publication
	moved []hub.Position
	news  chan struct{}
}

func newSink() *sink { return &sink{news: make(chan struct{}, 1)} }

func (s *sink) Deliver(p *hub.Publication) {
	s.mu.Lock()
	s.got = append(s.got, p)
	s.mu.Unlock()
	select {
	case s.news <- struct{}{}:
	default:
	}
}

func (*sink) Change(*hub.PresenceChange) {}

func (s *sink) Moved(pos hub.Position) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.moved = append(s.moved, pos)
}

// await waits until the last publication is at a position.
func (s *sink) await(t *testing.T, what string, pos hub.Position) {
	t.Helper()
	limit := time.NewTimer(20 * time.Second)
	defer limit.Stop()
	for {
		s.mu.Lock()
		n := len(s.got)
		done := n > 0 && s.got[n-1].Position == pos
		s.mu.Unlock()
		if done {
			return
		}
		select {
		case <-s.news:
		case <-limit.C:
			s.mu.Lock()
			defer s.mu.Unlock()
			t.Fatalf("still waiting for %s, after %d publications", what, len(s.got))
		}
	}
}

// chain checks that what came is one unbroken log behind pos, and holds all of acked.
func (s *sink) chain(t *testing.T, pos hub.Position, acked map[string]hub.Position) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	got := make(map[string]hub.Position)
	for _, p := range s.got {
		if p.Epoch != pos.Epoch || p.Prev != pos.Offset {
			t.Fatalf("%v with prev %d behind %v", p.Position, p.Prev, pos)
		}
		pos = p.Position
		if before, twice := got[p.ID]; twice {
			t.Errorf("%s came at %v and at %v", p.ID, before, pos)
		}
		got[p.ID] = pos
	}
	for id, at := range acked {
		if got[id] != at {
			t.Errorf("%s was acknowledged at %v and came at %v", id, at, got[id])
		}
	}
}

func subscribe(t *testing.T, b *Broker, s *sink) hub.Position {
	t.Helper()
	pos, err := b.Subscribe(t.Context(), "news", s)
	if err != nil {
		t.Fatal(err)
	}
	return pos
}

// publish publishes, again and again with the same ID while nobody answers.
func publish(t *testing.T, b *Broker, text string) hub.Position {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	m := hub.Message{Channel: "news", ID: text, Data: []byte(`"` + text + `"`)}
	for {
		one, end := context.WithTimeout(ctx, 2*time.Second)
		done, err := b.Publish(one, m, hub.PublishOptions{Options: kept})
		end()
		if err == nil {
			return done.Position
		}
		if ctx.Err() != nil {
			t.Fatal(err)
		}
	}
}

func publishMany(t *testing.T, b *Broker, name string, n int, acked map[string]hub.Position) (last hub.Position) {
	t.Helper()
	for i := range n {
		id := fmt.Sprint(name, i)
		last = publish(t, b, id)
		acked[id] = last
	}
	return last
}

func restart(t *testing.T, p *service.Process) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := p.Start(ctx); err != nil {
		t.Fatal(err)
	}
}

// A server that is killed and comes back with all that it has acknowledged goes on with the
// log: subscribers on every node miss nothing, and the epoch stays.
func TestKilledServer(t *testing.T) {
	p := startNATS(t)
	here, there := openAt(t, p), openAt(t, p)
	s, acked := newSink(), make(map[string]hub.Position)
	begin := subscribe(t, there, s)
	publishMany(t, here, "before ", 20, acked)
	for i := range 3 {
		p.Kill()
		restart(t, p)
		end := publishMany(t, here, fmt.Sprint("after ", i, " "), 20, acked)
		if end.Epoch != begin.Epoch {
			t.Fatalf("the epoch has changed though nothing was lost")
		}
		s.await(t, "the last publication", end)
	}
	s.chain(t, begin, acked)
}

// A server that was given an older copy of its folder does not know what it had acknowledged: the
// epoch changes, and nothing is passed over in silence.
func TestRestoredServer(t *testing.T) {
	p := startNATS(t)
	here, there := openAt(t, p), openAt(t, p)
	s, acked := newSink(), make(map[string]hub.Position)
	begin := subscribe(t, there, s)
	quiet := newSink()
	if _, err := there.Subscribe(t.Context(), "quiet", quiet); err != nil {
		t.Fatal(err)
	}
	publishMany(t, here, "kept ", 10, acked)
	p.Kill()
	copied, store := t.TempDir(), filepath.Join(p.Dir, "store")
	copyDir(t, store, copied)
	restart(t, p)
	s.await(t, "what is lost", publishMany(t, here, "lost ", 50, acked))
	p.Kill()
	if err := os.RemoveAll(store); err != nil {
		t.Fatal(err)
	}
	copyDir(t, copied, store)
	restart(t, p)
	end := publish(t, here, "behind the copy")
	if end.Epoch == begin.Epoch {
		t.Fatalf("the epoch is still %s though 50 publications are lost", end.Epoch)
	}
	page, err := here.History(t.Context(), "news", hub.Query{Limit: 100})
	if err != nil || page.Top != end || len(page.Publications) != 1 {
		t.Errorf("history = %d publications up to %v, %v, want the last one alone", len(page.Publications), page.Top, err)
	}
	s.await(t, "the publication of the new epoch", end)
	waitFor(t, "the subscriber of a channel in which nothing is published to be told", func() bool {
		quiet.mu.Lock()
		defer quiet.mu.Unlock()
		return len(quiet.moved) == 1 && quiet.moved[0].Epoch == end.Epoch
	})
}

func copyDir(t *testing.T, from, to string) {
	t.Helper()
	if err := os.MkdirAll(to, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

// A node that does not say what it has seen when the server was restarted may have seen more.
func TestSilentNode(t *testing.T) {
	p := startNATS(t)
	here, there := openAt(t, p), openAt(t, p)
	before := publish(t, here, "before")
	there.beat(t.Context())
	waitFor(t, "the other node to be known", func() bool {
		silent, known := here.peers.poll(here.gate.cuts(), here.epoch())
		return silent+known == 1
	})
	there.cancel() // it ends without a goodbye
	there.calls.Close()
	there.live.Close()
	p.Kill()
	restart(t, p)
	if after := publish(t, here, "after"); after.Epoch == before.Epoch {
		t.Errorf("the epoch is still %s though a node was not asked", after.Epoch)
	}
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	limit := time.NewTimer(20 * time.Second)
	defer limit.Stop()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for !ok() {
		select {
		case <-again.C:
		case <-limit.C:
			t.Fatalf("still waiting for %s", what)
		}
	}
}

// A stream that was purged keeps its epoch and has nothing more: whoever comes back finds nothing behind his position
// that continues it. One that was deleted is made anew, as another life.
func TestPurgedAndDeleted(t *testing.T) {
	p := startNATS(t)
	b := openAt(t, p)
	acked := make(map[string]hub.Position)
	s := newSink()
	subscribe(t, b, s)
	before := publishMany(t, b, "", 5, acked)
	st, err := b.js.Stream(t.Context(), "rw")
	if err != nil {
		t.Fatal(err)
	}
	if err := st.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	after := publish(t, b, "after")
	page, err := b.History(t.Context(), "news", hub.Query{From: &before, Limit: 10})
	if err != nil || len(page.Publications) != 1 || after.Epoch == before.Epoch && page.Publications[0].Prev == before.Offset && after.Offset != before.Offset+1 {
		t.Errorf("behind %v there is %+v, %v", before, page, err)
	}
	if err := b.js.DeleteStream(t.Context(), "rw"); err != nil {
		t.Fatal(err)
	}
	again := publish(t, b, "again")
	if again.Epoch == after.Epoch {
		t.Errorf("the epoch is still %s though the stream was deleted", again.Epoch)
	}
	s.await(t, "the publication of the new stream", again)
}

// While the server does not answer publishing fails in a bounded time, and says whether the message
// may have been taken.
func TestPaused(t *testing.T) {
	p := startNATS(t)
	b := openAt(t, p)
	s, acked := newSink(), make(map[string]hub.Position)
	begin := subscribe(t, b, s)
	publishMany(t, b, "before ", 3, acked)
	if err := p.Pause(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := b.Publish(ctx, hub.Message{Channel: "news", ID: "x", Data: []byte("1")}, hub.PublishOptions{Options: kept})
	if !errors.Is(err, hub.ErrIndeterminate) {
		t.Errorf("Publish = %v, want ErrIndeterminate", err)
	}
	if _, err := b.Subscribe(ctx, "other", newSink()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Subscribe = %v, want the context's error", err)
	}
	if err := p.Resume(); err != nil {
		t.Fatal(err)
	}
	acked["x"] = publish(t, b, "x")
	s.await(t, "the last publication", publishMany(t, b, "after ", 3, acked))
	s.chain(t, begin, acked)
}

// What is cut off or dropped on its way to a node is found, though nothing comes behind it.
func TestDropped(t *testing.T) {
	p := startNATS(t)
	here, there := openAt(t, p), openAt(t, p)
	s, acked := newSink(), make(map[string]hub.Position)
	begin := subscribe(t, there, s)
	s.await(t, "the first", publishMany(t, here, "first ", 3, acked))
	// The server does not know any more that the node listens, and the node does not know that.
	there.feeds.mu.Lock()
	f := there.feeds.byToken[tokenOf("news")]
	there.feeds.mu.Unlock()
	if err := f.sub.Unsubscribe(); err != nil {
		t.Fatal(err)
	}
	s.await(t, "what was not said", publishMany(t, here, "silent ", 10, acked))
	s.chain(t, begin, acked)
}

// What a stranger writes to the log or says in its place is no publication, and ends nothing.
func TestStranger(t *testing.T) {
	p := startNATS(t)
	b := openAt(t, p)
	conn, err := nats.Connect("nats://" + p.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	s, acked := newSink(), make(map[string]hub.Position)
	begin := subscribe(t, b, s)
	publishMany(t, b, "before ", 2, acked)
	token := tokenOf("news")
	for _, body := range []string{"", "garbage", strings.Repeat("\xff", 1000)} {
		for _, kind := range []string{"", "p", "p 1 1", "p -1 x", "b"} {
			for _, subject := range []string{b.names.log(b.epoch(), token), b.names.live(token), b.names.bus(), b.names.nodes(), b.names.log(b.epoch(), "%")} {
				m := &nats.Msg{Subject: subject, Header: nats.Header{headerKind: {kind}, headerSequence: {"9"}, headerTime: {"x"}}, Data: []byte(body)}
				if err := conn.PublishMsg(m); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if err := conn.Flush(); err != nil {
		t.Fatal(err)
	}
	end := publishMany(t, b, "after ", 3, acked)
	waitFor(t, "the last publication", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.got) > 0 && s.got[len(s.got)-1].Position == end
	})
	if end.Epoch != begin.Epoch {
		t.Errorf("the epoch has changed")
	}
	page, err := b.History(t.Context(), "news", hub.Query{From: &begin, Limit: 100})
	if err != nil || page.Top != end {
		t.Errorf("history ends at %v, %v, want %v", page.Top, err, end)
	}
}

// The node whose server leads the stream is stopped while the others publish: nothing that was acknowledged is
// missing, and nothing is there twice.
func TestLeaderStopped(t *testing.T) {
	members := cluster(t)
	info, err := members[0].broker.ask(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	leader := slices.IndexFunc(members, func(m *member) bool { return serverName(m.config.Listen) == info.Cluster.Leader })
	if leader < 0 {
		t.Fatalf("%q leads, which is no node", info.Cluster.Leader)
	}
	members[0], members[leader] = members[leader], members[0]
	here, there := members[1].broker, members[2].broker
	s, acked := newSink(), make(map[string]hub.Position)
	begin := subscribe(t, there, s)
	publishMany(t, here, "before ", 20, acked)
	done := make(chan hub.Position)
	go func() { done <- publishMany(t, here, "amid ", 200, acked) }()
	members[0].broker.Close()
	end := <-done
	s.await(t, "the last publication", end)
	s.chain(t, begin, acked)
	back := openInside(t, members[0].config)
	late := newSink()
	subscribe(t, back, late)
	end = publish(t, back, "back")
	late.await(t, "what is published by the one that came back", end)
	s.await(t, "what is published by the one that came back", end)
	if end.Epoch != begin.Epoch {
		t.Errorf("the epoch has changed though nothing was lost")
	}
}

// Addresses that are no cluster are refused, each with the reason.
func TestBadClusters(t *testing.T) {
	for _, c := range []struct {
		addrs  string
		listen string
		secret string
		want   string
	}{
		{"10.0.0.1:6222", "", "x", "1 nodes"},
		{"10.0.0.1:6222,10.0.0.2:6222", "", "x", "2 nodes"},
		{"a:1,b:2,c:3", "", "", "secret"},
		{"a:1,b:2,a:1", "", "x", "twice"},
		{"a:1,b:2,c", "", "x", "no address"},
		{"a:1,b:2,c:3", "d:4", "x", "none of the cluster"},
	} {
		err := EmbeddedConfig{Cluster: strings.Split(c.addrs, ","), Listen: c.listen, Secret: c.secret, Dir: "data"}.Check()
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Check of %s = %v, want %q", c.addrs, err, c.want)
		}
	}
}
