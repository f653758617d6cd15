package hub_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15847954/ropewalk/hub"
)

// A mourner is a subscriber that keeps why it was lost.
type mourner struct {
	recorder
	causes chan error
}

func newMourner() *mourner { return &mourner{causes: make(chan error, 10)} }

func (m *mourner) Lost(cause error) { m.causes <- cause }

// fates makes each publication's fate that which stands for its data.
func fates(of map[string]fate) func(*hub.Publication) fate {
	return func(p *hub.Publication) fate { return of[string(p.Data)] }
}

func TestRepair(t *testing.T) {
	for name, of := range map[string]map[string]fate{
		"nothing happens":    {},
		"one is dropped":     {"2": dropped},
		"several are":        {"2": dropped, "3": dropped, "5": dropped},
		"one comes twice":    {"2": doubled},
		"two are swapped":    {"2": swapped},
		"all of it together": {"1": doubled, "2": swapped, "4": dropped, "5": doubled},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				f.fate = fates(of)
				h := hub.New(f, keeping)
				m := newMourner()
				from := subscribe(t, h, "news", m)
				fill(t, h, f, "news", 6)
				<-time.After(time.Second) // a second gap may wait for its reading
				synctest.Wait()
				if got, want := m.data(), "1 2 3 4 5 6"; got != want {
					t.Errorf("got %q, want %q", got, want)
				}
				checkChain(t, from, m.got)
				if len(m.causes) > 0 {
					t.Errorf("lost: %v", <-m.causes)
				}
				unsubscribe(t, h, "news", m)
			})
		})
	}
}

// Where history cannot fill a gap, everyone is told and nobody is subscribed.
func TestLost(t *testing.T) {
	unreadable := errors.New("cannot be read")
	for _, c := range []struct {
		name    string
		options hub.Options
		prepare func(f *fake)
		want    []error
	}{
		{"no history", hub.Options{}, func(*fake) {}, []error{hub.ErrGap, hub.ErrNoHistory}},
		{"trimmed", hub.Options{History: 1, HistoryTime: time.Hour}, func(*fake) {}, []error{hub.ErrGap, hub.ErrTrimmed}},
		{"unreadable", keeping.Default, func(f *fake) { f.readFail = func() error { return unreadable } }, []error{hub.ErrGap, unreadable}},
		{"new epoch", keeping.Default, func(f *fake) { f.rotate("news") }, []error{hub.ErrEpoch}},
		{"new epoch without a publication", hub.Options{}, func(f *fake) {
			f.moved("news") // where it is
			f.rotate("news")
			f.moved("news")
		}, []error{hub.ErrEpoch}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				h := hub.New(f, hub.Config{Default: c.options})
				a, b := newMourner(), newMourner()
				subscribe(t, h, "news", a)
				subscribe(t, h, "news", b)
				publish(t, h, "news", "1")
				f.fate = fates(map[string]fate{"2": dropped})
				c.prepare(f)
				publish(t, h, "news", "2")
				publish(t, h, "news", "3")
				synctest.Wait()
				for _, m := range []*mourner{a, b} {
					if len(m.causes) != 1 {
						t.Fatalf("told %d times that it is lost, want once", len(m.causes))
					}
					cause := <-m.causes
					for _, want := range c.want {
						if !errors.Is(cause, want) {
							t.Errorf("lost since %v, want %v", cause, want)
						}
					}
					if got := m.data(); got != "1" {
						t.Errorf("got %q, want what came before the gap", got)
					}
				}
				if err := h.Unsubscribe(t.Context(), "news", a); !errors.Is(err, hub.ErrNotSubscribed) {
					t.Errorf("Unsubscribe afterwards = %v, want %v", err, hub.ErrNotSubscribed)
				}
				if h.Channels() != 0 || f.opened != 0 {
					t.Errorf("%d channels and %d subscriptions of the broker are left", h.Channels(), f.opened)
				}
				subscribe(t, h, "news", a)
				publish(t, h, "news", "4")
				if got := a.data(); got != "1 4" {
					t.Errorf("subscribed again it has got %q, want %q", got, "1 4")
				}
				unsubscribe(t, h, "news", a)
			})
		})
	}
}

// What is held during a repair is bounded.
func TestHeldIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.fate = fates(map[string]fate{"2": dropped})
		h := hub.New(f, hub.Config{Default: hub.Options{History: 10_000, HistoryTime: time.Hour}})
		m := newMourner()
		subscribe(t, h, "news", m)
		reading := make(chan struct{})
		f.readFail = func() error { <-reading; return nil }
		fill(t, h, f, "news", 5000)
		// Others come meanwhile without waiting for the reading.
		late := newMourner()
		subscribe(t, h, "news", late)
		close(reading)
		synctest.Wait()
		if cause := <-m.causes; !errors.Is(cause, hub.ErrGap) {
			t.Errorf("lost since %v, want %v", cause, hub.ErrGap)
		}
		checkChain(t, m.got[0].Position, m.got[1:])
		// The channel goes on from there.
		from := subscribe(t, h, "news", m)
		publish(t, h, "news", "more")
		if last := m.got[len(m.got)-1]; last.Prev != from.Offset || string(last.Data) != "more" {
			t.Errorf("subscribed again at %v it got offset %d behind %d", from, last.Offset, last.Prev)
		}
		unsubscribe(t, h, "news", m)
	})
}

// A repair ends when the last one leaves; whoever comes then begins anew.
func TestLeaveDuringRepair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.fate = fates(map[string]fate{"2": dropped})
		h := hub.New(f, keeping)
		m := newMourner()
		subscribe(t, h, "news", m)
		reading := make(chan struct{})
		f.step = func(label string) {
			if label == "read news" {
				<-reading
			}
		}
		fill(t, h, f, "news", 3)
		var wg sync.WaitGroup
		wg.Go(func() { unsubscribe(t, h, "news", m) })
		synctest.Wait()
		close(reading)
		wg.Wait()
		subscribe(t, h, "news", m)
		publish(t, h, "news", "4")
		if got := m.data(); got != "1 4" {
			t.Errorf("got %q, want %q", got, "1 4")
		}
		unsubscribe(t, h, "news", m)
	})
}

// The end of a log's life waits for a repair too: what was published before comes first.
func TestMovedDuringRepair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.fate = fates(map[string]fate{"2": dropped})
		h := hub.New(f, keeping)
		m := newMourner()
		subscribe(t, h, "news", m)
		reading, done := make(chan struct{}), make(chan struct{})
		f.readFail = func() error {
			<-reading
			return nil
		}
		fill(t, h, f, "news", 3)
		f.step = func(label string) {
			if label == "have read news" {
				close(done)
			}
		}
		sink := f.log("news").sink
		at := hub.Position{Epoch: "another", Offset: 7}
		sink.Moved(at)
		close(reading)
		<-done
		synctest.Wait()
		if got := m.data(); got != "1 2 3" {
			t.Errorf("got %q, want %q", got, "1 2 3")
		}
		if len(m.causes) != 1 {
			t.Fatalf("told %d times that it is lost, want once", len(m.causes))
		}
		if cause := <-m.causes; !errors.Is(cause, hub.ErrEpoch) {
			t.Errorf("lost since %v, want %v", cause, hub.ErrEpoch)
		}
	})
}

// Joins and leaves wait for a repair too: a subscriber is called by one at a time.
func TestChangesAreHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.fate = fates(map[string]fate{"2": dropped})
		config := keeping
		config.Default.Presence, config.Default.Joins = true, true
		h := hub.New(f, config)
		w := &watcher{}
		subscribe(t, h, "news", w)
		reading := make(chan struct{})
		f.readFail = func() error { <-reading; return nil }
		fill(t, h, f, "news", 3)
		if err := h.Enter(t.Context(), "news", hub.Member{Client: "c"}); err != nil {
			t.Fatal(err)
		}
		publish(t, h, "news", "4")
		close(reading)
		synctest.Wait()
		// Where among the publications is not promised.
		publications := slices.DeleteFunc(slices.Clone(w.log), func(s string) bool { return s == "+c" })
		if got, want := fmt.Sprint(publications), "[1 2 3 4]"; got != want || len(w.log) != 5 {
			t.Errorf("told %v, want the four publications in order and the join", w.log)
		}
		unsubscribe(t, h, "news", w)
	})
}

// A watcher keeps publications and changes. It is called by one goroutine at a time.
type watcher struct{ log []string }

func (w *watcher) Deliver(p *hub.Publication) { w.log = append(w.log, string(p.Data)) }

func (w *watcher) Change(c *hub.PresenceChange) {
	sign := "+"
	if c.Left {
		sign = "-"
	}
	w.log = append(w.log, sign+c.Member.Client)
}

func (*watcher) Lost(error) {}
