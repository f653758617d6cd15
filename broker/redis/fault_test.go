//go:build interop

package redis

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/seed-15847954/ropewalk/hub"
	"github.com/seed-15847954/ropewalk/proof/service"
)

var kept = &hub.Options{History: 1000, HistoryTime: time.Hour, Dedup: time.Hour}

// A sink remembers.
type sink struct {
	mu    sync.Mutex
	got   []*hub.Publication
	moved []hub.Position
	news  chan struct{}
}

func newSink() *sink { return &sink{news: make(chan struct{}, 1)} }

func (s *sink) note(f func()) {
	s.mu.Lock()
	f()
	s.mu.Unlock()
	select {
	case s.news <- struct{}{}:
	default:
	}
}

func (s *sink) Deliver(p *hub.Publication) { s.note(func() { s.got = append(s.got, p) }) }

func (*sink) Change(*hub.PresenceChange) {}

func (s *sink) Moved(pos hub.Position) { s.note(func() { s.moved = append(s.moved, pos) }) }

// await waits until ok holds of what has come.
func (s *sink) await(t *testing.T, what string, ok func(got []*hub.Publication) bool) {
	t.Helper()
	limit := time.NewTimer(30 * time.Second)
	defer limit.Stop()
	for {
		s.mu.Lock()
		done := ok(s.got)
		s.mu.Unlock()
		if done {
			return
		}
		select {
		case <-s.news:
		case <-limit.C:
			t.Fatalf("still waiting for %s", what)
		}
	}
}

// holds reports whether ok holds already.
func (s *sink) holds(ok func(got []*hub.Publication) bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return ok(s.got)
}

// chain checks that what came is one unbroken log behind pos.
func (s *sink) chain(t *testing.T, pos hub.Position) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.got {
		if p.Epoch != pos.Epoch || p.Offset > pos.Offset && p.Prev != pos.Offset {
			t.Fatalf("%v with prev %d behind %v", p.Position, p.Prev, pos)
		}
		if p.Offset > pos.Offset {
			pos = p.Position
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

// publish publishes, again and again with the same ID while Redis is away.
func publish(t *testing.T, b *Broker, text string) hub.Position {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	m := hub.Message{Channel: "news", ID: text, Data: []byte(`"` + text + `"`)}
	for {
		done, err := b.Publish(ctx, m, hub.PublishOptions{Options: kept})
		if err == nil {
			return done.Position
		}
		if ctx.Err() != nil {
			t.Fatal(err)
		}
	}
}

func publishMany(t *testing.T, b *Broker, name string, n int) (last hub.Position) {
	t.Helper()
	for i := range n {
		last = publish(t, b, fmt.Sprint(name, i))
	}
	return last
}

func has(pos hub.Position) func([]*hub.Publication) bool {
	return func(got []*hub.Publication) bool {
		return len(got) > 0 && got[len(got)-1].Position == pos
	}
}

func restart(t *testing.T, p *service.Process) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := p.Start(ctx); err != nil {
		t.Fatal(err)
	}
}

// A Redis that is killed and comes back with all that it has acknowledged goes on with
// the log: subscribers on every node miss nothing, and the epoch stays.
func TestKilledRedis(t *testing.T) {
	p := startRedis(t)
	here, there := open(t, p), open(t, p)
	s := newSink()
	begin := subscribe(t, there, s)
	publishMany(t, here, "before ", 20)
	for i := range 3 {
		p.Kill()
		restart(t, p)
		end := publishMany(t, here, fmt.Sprint("after ", i, " "), 20)
		if end.Epoch != begin.Epoch {
			t.Errorf("the epoch has changed though nothing was lost")
		}
		s.await(t, "the last publication", has(end))
	}
	s.chain(t, begin)
}

// A Redis that was restored from an older snapshot does not know what it had
// acknowledged: the epoch changes, and nothing is passed over in silence.
func TestRestoredRedis(t *testing.T) {
	p := startRedis(t)
	here, there := open(t, p), open(t, p)
	s := newSink()
	begin := subscribe(t, there, s)
	publishMany(t, here, "kept ", 10)
	snapshot := t.TempDir()
	copyDir(t, p.Dir, snapshot)
	s.await(t, "what is lost", has(publishMany(t, here, "lost ", 50)))
	p.Kill()
	if err := os.RemoveAll(p.Dir); err != nil {
		t.Fatal(err)
	}
	copyDir(t, snapshot, p.Dir)
	restart(t, p)
	end := publish(t, here, "behind the snapshot")
	if end.Epoch == begin.Epoch {
		t.Errorf("the epoch is still %s though 50 publications are lost", end.Epoch)
	}
	page, err := here.History(t.Context(), "news", hub.Query{Limit: 100})
	if err != nil || page.Top != end || len(page.Publications) != 1 {
		t.Errorf("history = %d publications up to %v, %v, want the last one alone", len(page.Publications), page.Top, err)
	}
	s.await(t, "the publication of the new epoch", has(end))
}

func copyDir(t *testing.T, from, to string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "cp", "-a", filepath.Clean(from)+"/.", to).CombinedOutput(); err != nil {
		if mkErr := os.MkdirAll(to, 0o700); mkErr != nil {
			t.Fatalf("%s, %v", out, err)
		}
		if out, err := exec.CommandContext(t.Context(), "cp", "-a", filepath.Clean(from)+"/.", to).CombinedOutput(); err != nil {
			t.Fatalf("%s, %v", out, err)
		}
	}
}

// An emptied Redis is another life of every log.
func TestEmptiedRedis(t *testing.T) {
	p := startRedis(t)
	b := open(t, p)
	before := publishMany(t, b, "", 5)
	if err := b.client.Do(t.Context(), b.client.B().Flushall().Build()).Error(); err != nil {
		t.Fatal(err)
	}
	if after := publish(t, b, "after"); after.Epoch == before.Epoch {
		t.Errorf("the epoch is still %s", after.Epoch)
	}
}

// Subscriptions that are cut get what came meanwhile, in its place.
func TestCutSubscriptions(t *testing.T) {
	p := startRedis(t)
	here, there := open(t, p), open(t, p)
	s := newSink()
	begin := subscribe(t, there, s)
	var end hub.Position
	for i := range 10 {
		publishMany(t, here, fmt.Sprint(i, " "), 5)
		kill := here.client.B().ClientKill().TypePubsub().Build()
		if err := here.client.Do(t.Context(), kill).Error(); err != nil {
			t.Fatal(err)
		}
		end = publishMany(t, here, fmt.Sprint(i, " cut "), 5)
	}
	s.await(t, "the last publication", has(end))
	s.chain(t, begin)
}

// A subscriber of an epoch that has ended meanwhile gets what there is of the next one, and so knows.
func TestCatchUpWithAnotherEpoch(t *testing.T) {
	p := startRedis(t)
	b, s := open(t, p), newSink()
	end := publishMany(t, b, "there ", 2500)
	now, err := b.processOf(t.Context(), partitionOf("news"))
	if err != nil {
		t.Fatal(err)
	}
	f := &feed{channel: "news", place: partitionOf("news"), sink: s, last: hub.Position{Epoch: "over", Offset: 7}}
	f.hold()
	if err := b.catchUp(t.Context(), f, now.process); err != nil {
		t.Fatal(err)
	}
	s.await(t, "the last publication", has(end))
	if n := len(s.got); n != kept.History {
		t.Errorf("%d publications came, want the %d that are kept", n, kept.History)
	}
}

// Where nothing was published in the next epoch it is told so.
func TestCatchUpWithAnEmptyEpoch(t *testing.T) {
	b, s := open(t, startRedis(t)), newSink()
	now, err := b.processOf(t.Context(), partitionOf("news"))
	if err != nil {
		t.Fatal(err)
	}
	f := &feed{channel: "news", place: partitionOf("news"), sink: s, last: hub.Position{Epoch: "over", Offset: 7}}
	for range 2 {
		f.hold()
		if err := b.catchUp(t.Context(), f, now.process); err != nil {
			t.Fatal(err)
		}
	}
	page, err := b.History(t.Context(), "news", hub.Query{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	if want := []hub.Position{page.Top}; !slices.Equal(s.moved, want) || len(s.got) > 0 {
		t.Errorf("the subscriber is told of %v, want %v", s.moved, want)
	}
}

// A node that does not say what it has seen when Redis was restarted may have seen more.
func TestSilentNode(t *testing.T) {
	p := startRedis(t)
	here, there := open(t, p), open(t, p)
	before := publish(t, here, "before")
	there.nodes.close() // its lease is there, and it answers nobody
	there.links.close()
	p.Kill()
	restart(t, p)
	if after := publish(t, here, "after"); after.Epoch == before.Epoch {
		t.Errorf("the epoch is still %s though a node was not asked", after.Epoch)
	}
	there.nodes.init(there) // for Close
	there.links.init(there)
	there.nodes.start()
}

// A Redis that forgets is refused.
func TestEviction(t *testing.T) {
	p := startRedis(t, "maxmemory-policy allkeys-lru")
	_, err := New(t.Context(), Config{Client: rueidis.ClientOption{InitAddress: []string{p.Addr}}})
	if err == nil || !strings.Contains(err.Error(), "allkeys-lru") || !strings.Contains(err.Error(), "noeviction") {
		t.Errorf("New = %v, want that the policy is refused", err)
	}
}

// While Redis is away publishing fails in a bounded time, and says whether the message
// may have been taken.
func TestAway(t *testing.T) {
	p := startRedis(t)
	b := open(t, p)
	publish(t, b, "before")
	if err := p.Pause(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := b.Publish(ctx, hub.Message{Channel: "news", ID: "x", Data: []byte("1")}, hub.PublishOptions{Options: kept})
	if !errors.Is(err, hub.ErrIndeterminate) && !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Publish = %v, want ErrIndeterminate or the context's", err)
	}
	ctx, cancel = context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := b.Subscribe(ctx, "news", newSink()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Subscribe = %v, want the context's error", err)
	}
	if err := p.Resume(); err != nil {
		t.Fatal(err)
	}
	publish(t, b, "after")
	s := newSink()
	subscribe(t, b, s)
	s.await(t, "a publication", has(publish(t, b, "at last")))
}

// The level says what may be lost, and what to set.
func TestLevel(t *testing.T) {
	for _, c := range []struct {
		lines          []string
		acked, warning string
	}{
		{nil, "disk", ""},
		{[]string{"appendfsync everysec"}, "memory", "appendfsync is everysec"},
		{[]string{"appendonly no"}, "memory", "appendonly is no"},
	} {
		level := open(t, startRedis(t, c.lines...)).Level()
		warnings := strings.Join(level.Warnings, " ")
		if !strings.Contains(level.Acked, c.acked) || !strings.Contains(warnings, c.warning) || c.warning == "" && warnings != "" {
			t.Errorf("%v: %+v, want %s and %q", c.lines, level, c.acked, c.warning)
		}
	}
}

// Patterns are heard again over another connection, and what a stranger says is not.
func TestPatternsGoOn(t *testing.T) {
	p := startRedis(t)
	here, there := open(t, p), open(t, p)
	s := newSink()
	pattern, err := hub.ParsePattern("ne*")
	if err != nil {
		t.Fatal(err)
	}
	if err := there.SubscribePattern(t.Context(), pattern, s); err != nil {
		t.Fatal(err)
	}
	s.await(t, "a publication", has(publish(t, here, "before")))
	for _, garbage := range []string{"", "x", "4:news", "4:newsp", "99:newsp", "-1:p", "4:news\x00", "4:newspe 1 0 0\n\xff\xff"} {
		for _, name := range []string{here.key(partitionOf("news"), kindPartition, ""), here.key(0, kindLast, "x}:p:")} {
			if err := here.client.Do(t.Context(), here.client.B().Spublish().Channel(name).Message(garbage).Build()).Error(); err != nil {
				t.Fatal(err)
			}
		}
	}
	s.await(t, "a publication behind garbage", has(publish(t, here, "behind garbage")))
	if err := here.client.Do(t.Context(), here.client.B().ClientKill().TypePubsub().Build()).Error(); err != nil {
		t.Fatal(err)
	}
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	after := func(got []*hub.Publication) bool { return strings.HasPrefix(got[len(got)-1].ID, "after ") }
	deadline := time.After(20 * time.Second)
	for i := 0; !s.holds(after); i++ {
		publish(t, here, fmt.Sprint("after ", i))
		select {
		case <-again.C:
		case <-deadline:
			t.Fatal("nothing is heard any more")
		}
	}
}
