package partitioned

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/seed-15847954/ropewalk/hub"
)

var kept = &hub.Options{History: 1000, HistoryTime: time.Hour, Dedup: time.Hour}

// A sink remembers.
type sink struct {
	mu    sync.Mutex
	got   []*hub.Publication
	moved []hub.Position
}

func (s *sink) Deliver(p *hub.Publication) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = append(s.got, p)
}

func (*sink) Change(*hub.PresenceChange) {}

func (s *sink) Moved(pos hub.Position) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.moved = append(s.moved, pos)
}

func (s *sink) all() []*hub.Publication {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.got)
}

// publish publishes until it is known what became of that.
func publish(t *testing.T, b *Broker, channel, id string) hub.Published {
	t.Helper()
	for {
		done, err := b.Publish(t.Context(), hub.Message{Channel: channel, ID: id, Data: []byte(`"` + id + `"`)}, hub.PublishOptions{Options: kept})
		if err == nil {
			return done
		}
		if !errors.Is(err, hub.ErrIndeterminate) {
			t.Fatal(err)
		}
	}
}

func subscribe(t *testing.T, b *Broker, channel string) (*sink, hub.Position) {
	t.Helper()
	s := new(sink)
	at, err := b.Subscribe(t.Context(), channel, s)
	if err != nil {
		t.Fatal(err)
	}
	return s, at
}

// bubble runs a test in fake time with two nodes.
func bubble(t *testing.T, f func(t *testing.T, log *tape, here, there *Broker)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		log := newTape(2)
		here, there := openQuiet(t, log), openQuiet(t, log)
		defer here.Close()
		defer there.Close()
		f(t, log, here, there)
	})
}

func openQuiet(t *testing.T, log Log) *Broker {
	t.Helper()
	b, err := New(t.Context(), Config{Log: log, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// What the log may or may not have taken is in it or not, and the same ID settles that.
func TestUnsure(t *testing.T) {
	bubble(t, func(t *testing.T, log *tape, here, there *Broker) {
		s, _ := subscribe(t, there, "news")
		for i := range 40 {
			id := fmt.Sprint(i)
			log.change(func() { log.fate = func() (bool, bool) { return i%2 == 0, i%4 < 2 } })
			_, err := here.Publish(t.Context(), hub.Message{Channel: "news", ID: id}, hub.PublishOptions{Options: kept})
			switch {
			case i%2 == 0: // it was seen in the log
				if err != nil {
					t.Errorf("%d: %v", i, err)
				}
			case i%4 < 2:
				if !errors.Is(err, errCut) || errors.Is(err, hub.ErrIndeterminate) {
					t.Errorf("%d: %v, want that it was not taken", i, err)
				}
			default:
				if !errors.Is(err, hub.ErrIndeterminate) {
					t.Errorf("%d: %v, want ErrIndeterminate", i, err)
				}
			}
			log.change(func() { log.fate = nil })
			if done := publish(t, here, "news", id); done.Duplicate != (i%2 == 0) {
				t.Errorf("%d: %+v", i, done)
			}
		}
		synctest.Wait()
		if got := s.all(); len(got) != 40 {
			t.Errorf("%d publications", len(got))
		}
	})
}

// A log that is away fails publications and subscriptions with the reason, and goes on.
func TestAway(t *testing.T) {
	bubble(t, func(t *testing.T, log *tape, here, there *Broker) {
		s, _ := subscribe(t, there, "news")
		publish(t, here, "news", "before")
		log.change(func() { log.down = errCut })
		synctest.Wait()
		began := time.Now()
		if _, err := here.Publish(t.Context(), hub.Message{Channel: "news"}, hub.PublishOptions{}); !errors.Is(err, errCut) || errors.Is(err, hub.ErrIndeterminate) {
			t.Errorf("Publish = %v", err)
		}
		if took := time.Since(began); took != downTime {
			t.Errorf("it took %v", took)
		}
		if _, err := here.History(t.Context(), "news", hub.Query{}); !errors.Is(err, errCut) {
			t.Errorf("History = %v", err)
		}
		log.change(func() { log.down = nil })
		publish(t, here, "news", "after")
		<-time.After(askTime) // the other node is not in doubt any more
		synctest.Wait()
		if got := s.all(); len(got) != 2 || got[1].Prev != got[0].Offset || got[0].Epoch != got[1].Epoch {
			t.Errorf("got %v", got)
		}
	})
}

// A log that has lost something has another epoch, the same for all nodes, and what comes in it
// follows on nothing.
func TestLoss(t *testing.T) {
	for _, keep := range []int{0, 1, 3} {
		bubble(t, func(t *testing.T, log *tape, here, there *Broker) {
			s, _ := subscribe(t, there, "news")
			quiet, _ := subscribe(t, there, "quiet")
			for i := range 10 {
				publish(t, here, "news", fmt.Sprint(i))
			}
			before := publish(t, here, "news", "last")
			synctest.Wait() // who has read less has lost less
			log.wipe(keep)
			after := publish(t, here, "news", "after")
			if after.Epoch == before.Epoch {
				t.Fatalf("keeping %d: the epoch is still %s", keep, after.Epoch)
			}
			synctest.Wait()
			got := s.all()
			if len(got) != 12 || got[11].Epoch != after.Epoch {
				t.Errorf("keeping %d: %d publications", keep, len(got))
			}
			now, err := there.History(t.Context(), "quiet", hub.Query{Limit: 1})
			if err != nil {
				t.Fatal(err)
			}
			if want := []hub.Position{now.Top}; !slices.Equal(quiet.moved, want) {
				t.Errorf("keeping %d: the channel in which nothing is published is said to go on at %v, want %v", keep, quiet.moved, want)
			}
			late := openQuiet(t, log)
			defer late.Close()
			for _, b := range []*Broker{here, there, late} {
				if page, err := b.History(t.Context(), "news", hub.Query{Limit: 100}); err != nil || page.Top != after.Position {
					t.Errorf("keeping %d: the top is %v, want %v, %v", keep, page.Top, after.Position, err)
				}
				if done := publish(t, b, "news", "after"); !done.Duplicate || done.Position != after.Position {
					t.Errorf("keeping %d: %+v", keep, done)
				}
			}
		})
	}
}

// A client that has seen a channel in which nothing was published, or has heard more than a node,
// goes on where that node is.
func TestLocate(t *testing.T) {
	bubble(t, func(t *testing.T, log *tape, here, there *Broker) {
		_, before := subscribe(t, here, "idle")
		for i := range 50 {
			publish(t, here, fmt.Sprint("other ", i), "x")
		}
		late := openQuiet(t, log)
		defer late.Close()
		_, after := subscribe(t, late, "idle")
		if before == after {
			t.Fatal("the nodes have the same place: nothing is tested")
		}
		for _, b := range []*Broker{here, there, late} {
			page, err := b.History(t.Context(), "idle", hub.Query{Limit: 1})
			if err != nil {
				t.Fatal(err)
			}
			for _, pos := range []hub.Position{before, after} {
				if at, err := b.Locate(t.Context(), "idle", pos); err != nil || at != page.Top {
					t.Errorf("%v is at %v, want %v, %v", pos, at, page.Top, err)
				}
			}
		}
		first := publish(t, here, "idle", "first")
		for _, b := range []*Broker{here, there, late} {
			for _, pos := range []hub.Position{before, after} {
				at, err := b.Locate(t.Context(), "idle", pos)
				page, _ := b.History(t.Context(), "idle", hub.Query{From: &at, Limit: 10})
				if err != nil || len(page.Publications) != 1 || page.Publications[0].Prev != at.Offset || page.Publications[0].Position != first.Position {
					t.Errorf("from %v, which is at %v: %v, %v", pos, at, page, err)
				}
			}
		}
		beyond := hub.Position{Epoch: first.Epoch, Offset: first.Offset + 1000}
		if at, err := here.Locate(t.Context(), "idle", beyond); err != nil || at != beyond {
			t.Errorf("a position that was never there is at %v, %v", at, err)
		}
	})
}

// What is no record is passed over, by all alike.
func TestGarbage(t *testing.T) {
	bubble(t, func(t *testing.T, log *tape, here, there *Broker) {
		s, _ := subscribe(t, there, "news")
		chance := rand.New(rand.NewPCG(1, 2))
		for i := range 200 {
			b := make([]byte, chance.IntN(50))
			for j := range b {
				b[j] = byte(chance.Uint32())
			}
			if len(b) > 0 {
				b[0] = byte(i % 4)
			}
			for n := range log.Partitions() {
				if err := log.Append(context.Background(), n, []string{"news", "", "\x00"}[i%3], b); err != nil {
					t.Fatal(err)
				}
			}
		}
		done := publish(t, here, "news", "x")
		synctest.Wait()
		if got := s.all(); len(got) == 0 || got[len(got)-1].Position != done.Position {
			t.Errorf("got %v, want it to end with %v", got, done)
		}
	})
}

// Records of a later version are passed over, and so is what they hold beside what this one knows.
func TestLaterVersion(t *testing.T) {
	bubble(t, func(t *testing.T, log *tape, here, there *Broker) {
		<-time.After(time.Second)
		s, at := subscribe(t, there, "news")
		n := slices.Index(here.partitions, here.partition("news"))
		strange := protowire.AppendString(protowire.AppendTag(nil, 999, protowire.BytesType), "of a later version")
		e := &entry{node: "young", number: 1, kept: *kept, Message: hub.Message{Channel: "news", ID: "1", Data: []byte("1")}}
		w := &word{node: "young", number: 2, epoch: at.Epoch, asks: 3, steady: 1}
		for _, value := range [][]byte{append(e.record(), strange...), append(w.record(), strange...), append(life{at.Epoch, at.Epoch}.record(), strange...), {99, 1}} {
			if err := log.Append(t.Context(), n, "news", value); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if got := s.all(); len(got) != 1 || got[0].ID != "1" {
			t.Errorf("got %d publications", len(got))
		}
		if done := publish(t, here, "news", "1"); !done.Duplicate || done.Epoch != at.Epoch {
			t.Errorf("the same ID: %+v, want a duplicate in epoch %s", done, at.Epoch)
		}
	})
}

// Nodes that begin at different times agree on everything that they both know.
func TestNodesAgree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := newTape(1)
		chance := rand.New(rand.NewPCG(3, 4))
		o := &hub.Options{History: 20, HistoryTime: time.Hour, Dedup: 10 * time.Minute}
		var nodes []*Broker
		for i := range 2000 {
			if i%200 == 0 {
				b, err := New(t.Context(), Config{Log: log, StateTime: 2 * time.Hour, Logger: slog.New(slog.DiscardHandler)})
				if err != nil {
					t.Fatal(err)
				}
				defer b.Close()
				nodes = append(nodes, b)
			}
			b, channel := nodes[chance.IntN(len(nodes))], fmt.Sprint("channel ", chance.IntN(5))
			m := hub.Message{Channel: channel, ID: fmt.Sprint(chance.IntN(30))}
			options := hub.PublishOptions{Options: o}
			if chance.IntN(3) == 0 {
				page, err := nodes[chance.IntN(len(nodes))].History(t.Context(), channel, hub.Query{Limit: 1})
				if err != nil {
					t.Fatal(err)
				}
				options.Expect, m.ID = &page.Top, ""
			}
			if _, err := b.Publish(t.Context(), m, options); err != nil && !errors.Is(err, hub.ErrConflict) {
				t.Fatal(err)
			}
			<-time.After(time.Duration(chance.Int64N(int64(time.Minute))))
		}
		for i := range 5 {
			channel := fmt.Sprint("channel ", i)
			var want string
			for n, b := range nodes {
				page, err := b.History(t.Context(), channel, hub.Query{Limit: 1000})
				if err != nil {
					t.Fatal(err)
				}
				text := fmt.Sprint(page.Top)
				for _, p := range page.Publications {
					text += fmt.Sprint(" ", p.Position, p.Prev, p.ID)
				}
				if n == 0 {
					want = text
				} else if text != want {
					t.Errorf("%s: node %d knows\n%s\nnode 0 knows\n%s", channel, n, text, want)
				}
			}
		}
	})
}

func FuzzRecord(f *testing.F) {
	f.Add("news", (&entry{node: "n", number: 7, kept: *kept, expect: &hub.Position{Epoch: "e", Offset: 3}, Message: hub.Message{ID: "i", Data: []byte("1")}}).record())
	f.Add("", life{"a", "b"}.record())
	f.Fuzz(func(t *testing.T, channel string, value []byte) {
		if e, err := parse(channel, value); err == nil {
			again, err := parse(channel, e.record())
			if err != nil || again.node != e.node || again.number != e.number || again.ID != e.ID || string(again.Data) != string(e.Data) || (again.expect == nil) != (e.expect == nil) {
				t.Errorf("%+v comes back as %+v, %v", e, again, err)
			}
		}
		if len(value) > 0 {
			if l, err := parseLife(value); err == nil {
				if again, err := parseLife(l.record()); err != nil || again != l {
					t.Errorf("%+v comes back as %+v, %v", l, again, err)
				}
			}
		}
	})
}
