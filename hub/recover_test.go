package hub_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15847954/ropewalk/hub"
)

var keeping = hub.Config{Default: hub.Options{History: 100, HistoryTime: time.Hour}}

// fill publishes n messages, "1" the first, and returns their positions behind the
// one where the log begins.
func fill(t *testing.T, h *hub.Hub, f *fake, channel string, n int) []hub.Position {
	t.Helper()
	positions := []hub.Position{f.top(channel)}
	for i := range n {
		positions = append(positions, publish(t, h, channel, fmt.Sprint(i+1)))
	}
	return positions
}

func texts(ps []*hub.Publication) (s string) {
	for i, p := range ps {
		if i > 0 {
			s += " "
		}
		s += string(p.Data)
	}
	return s
}

// What the node has delivered it recovers from its own tail.
func TestRecoverFromTail(t *testing.T) {
	f := newFake()
	h := hub.New(f, keeping)
	subscribe(t, h, "news", new(recorder))
	at := fill(t, h, f, "news", 9)
	for _, c := range []struct {
		from, upTo, limit int
		want              string
	}{
		{0, 3, 10, "1 2 3"},
		{3, 9, 10, "4 5 6 7 8 9"},
		{3, 9, 2, "4 5"},
		{9, 9, 10, ""},
		{8, 9, 10, "9"},
	} {
		ps, err := h.Recover(t.Context(), "news", at[c.from], at[c.upTo], c.limit)
		if got := texts(ps); err != nil || got != c.want {
			t.Errorf("Recover(%d to %d, at most %d) = %q, %v, want %q", c.from, c.upTo, c.limit, got, err, c.want)
		}
	}
	for n, want := range map[int]string{1: "9", 3: "7 8 9"} {
		ps, err := h.Latest(t.Context(), "news", n, at[9])
		if got := texts(ps); err != nil || got != want {
			t.Errorf("Latest(%d) = %q, %v, want %q", n, got, err, want)
		}
	}
	if n := f.readCount(); n != 0 {
		t.Errorf("the broker was read %d times, want 0", n)
	}
}

// What the node has not delivered is read, and then in the tail.
func TestRecoverFromHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		h := hub.New(f, keeping)
		at := fill(t, h, f, "news", 9)
		subscribe(t, h, "news", new(recorder))
		for _, c := range []struct{ from, reads int }{{5, 1}, {7, 1}, {2, 2}, {3, 2}, {0, 3}} {
			ps, err := h.Recover(t.Context(), "news", at[c.from], at[9], 100)
			if err != nil || len(ps) != 9-c.from || ps[0].Prev != at[c.from].Offset {
				t.Errorf("Recover from %d = %q, %v", c.from, texts(ps), err)
			}
			if n := f.readCount(); n != c.reads {
				t.Errorf("after a recovery from %d the broker was read %d times, want %d", c.from, n, c.reads)
			}
		}
		// The log has no more than these nine.
		ps, err := h.Latest(t.Context(), "news", 50, at[9])
		if err != nil || len(ps) != 9 {
			t.Errorf("Latest(50) = %q, %v, want all nine", texts(ps), err)
		}
	})
}

func TestRecoverRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		h := hub.New(f, hub.Config{
			Default:    hub.Options{History: 3, HistoryTime: time.Hour},
			Namespaces: []hub.Namespace{{Pattern: "plain"}},
		})
		at := fill(t, h, f, "news", 9)
		plain := fill(t, h, f, "plain", 2)
		other := hub.Position{Epoch: "other", Offset: at[8].Offset}
		beyond := hub.Position{Epoch: at[9].Epoch, Offset: at[9].Offset + 1}
		subscribe(t, h, "news", new(recorder))
		for _, c := range []struct {
			name, channel string
			from, upTo    hub.Position
			want          error
		}{
			{"kept", "news", at[6], at[9], nil},
			{"trimmed", "news", at[5], at[9], hub.ErrTrimmed},
			{"trimmed, known by now", "news", at[0], at[9], hub.ErrTrimmed},
			{"no position of the log", "news", hub.Position{Epoch: at[7].Epoch, Offset: at[7].Offset + 1}, at[9], hub.ErrTrimmed},
			{"another epoch", "news", other, at[9], hub.ErrEpoch},
			{"ahead of the log", "news", beyond, at[9], hub.ErrEpoch},
			{"ahead of the node", "news", at[9], at[8], nil},
			{"no history", "plain", plain[1], plain[2], hub.ErrNoHistory},
			{"nothing missed without history", "plain", plain[2], plain[2], nil},
		} {
			if _, err := h.Recover(t.Context(), c.channel, c.from, c.upTo, 100); !errors.Is(err, c.want) {
				t.Errorf("%s: Recover = %v, want %v", c.name, err, c.want)
			}
		}
		if _, err := h.Latest(t.Context(), "plain", 1, plain[2]); !errors.Is(err, hub.ErrNoHistory) {
			t.Errorf("Latest without history = %v, want %v", err, hub.ErrNoHistory)
		}
		f.rotate("news")
		if _, err := h.Recover(t.Context(), "news", at[6], at[8], 100); err != nil {
			t.Errorf("Recover from the tail of a log that has ended = %v, want what there was", err)
		}
	})
}

// A herd of clients that come back costs at most one read for each time that the
// same part of the log may be read, even when no tail is kept.
func TestHerd(t *testing.T) {
	for name, tail := range map[string]int{"with a tail": 0, "without": -1} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				f.step = func(string) { <-time.After(time.Millisecond) } // the broker is some way off
				h := hub.New(f, hub.Config{Default: keeping.Default, TailBytes: tail})
				at := fill(t, h, f, "news", 50)
				subscribe(t, h, "news", new(recorder))
				var wg sync.WaitGroup
				began := time.Now()
				for i := range 2000 {
					from := 30 + i%20
					wg.Go(func() {
						<-time.After(time.Duration(i) * time.Millisecond / 2) // in the course of one second
						ps, err := h.Recover(t.Context(), "news", at[from], at[50], 100)
						if err != nil || len(ps) != 50-from || ps[0].Prev != at[from].Offset {
							t.Errorf("Recover from %d = %q, %v", from, texts(ps), err)
						}
					})
				}
				wg.Wait()
				took := time.Since(began)
				if got, most := f.readCount(), int(took/(100*time.Millisecond))+1; got > most {
					t.Errorf("the broker was read %d times in %v, want at most %d", got, took, most)
				}
				if took > 1200*time.Millisecond {
					t.Errorf("the herd was served after %v, want the second in which it came and little more", took)
				}
			})
		})
	}
}

// Who gives up while it reads for others leaves them to the next.
func TestReaderGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		h := hub.New(f, keeping)
		at := fill(t, h, f, "news", 5)
		subscribe(t, h, "news", new(recorder))
		blocked := make(chan struct{})
		f.step = func(string) { <-blocked }
		ctx, cancel := context.WithCancel(t.Context())
		results := make(chan error, 3)
		for i := range 3 {
			c := t.Context()
			if i == 0 {
				c = ctx
			}
			go func() {
				_, err := h.Recover(c, "news", at[i], at[5], 100)
				results <- err
			}()
			synctest.Wait()
		}
		cancel()
		close(blocked)
		synctest.Wait()
		gaveUp := 0
		for range 3 {
			if err := <-results; err != nil {
				gaveUp++
			}
		}
		if gaveUp != 1 {
			t.Errorf("%d have failed, want the one who gave up", gaveUp)
		}
	})
}

// All tails together stay within their bound, and the oldest go first.
func TestTailBytes(t *testing.T) {
	f := newFake()
	h := hub.New(f, hub.Config{Default: keeping.Default, TailBytes: 20_000})
	first := map[string]hub.Position{}
	for i := range 40 {
		name := fmt.Sprint("channel ", i)
		first[name] = subscribe(t, h, name, new(recorder))
		publish(t, h, name, "1")
		publish(t, h, name, "2")
		if got := h.Stats().TailBytes; got > 20_000 {
			t.Fatalf("tails hold %d bytes, want at most 20000", got)
		}
	}
	for i, reads := range map[int]int{39: 0, 38: 0, 0: 1} {
		name := fmt.Sprint("channel ", i)
		before := f.readCount()
		ps, err := h.Recover(t.Context(), name, first[name], f.top(name), 10)
		if got := texts(ps); err != nil || got != "1 2" {
			t.Errorf("%s: Recover = %q, %v, want both", name, got, err)
		}
		if got := f.readCount() - before; got != reads {
			t.Errorf("%s: %d reads, want %d", name, got, reads)
		}
	}
}

// The tail keeps nothing longer than history does, and nothing of a closed channel.
func TestTailForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		h := hub.New(f, hub.Config{Default: hub.Options{History: 5, HistoryTime: time.Minute}})
		r := new(recorder)
		subscribe(t, h, "news", r)
		fill(t, h, f, "news", 100)
		if got := h.Stats().TailBytes; got > 5*1024 {
			t.Errorf("the tail of 5 publications has %d bytes", got)
		}
		<-time.After(2 * time.Minute)
		last := publish(t, h, "news", "101")
		ps, err := h.Latest(t.Context(), "news", 1, last)
		if got := texts(ps); err != nil || got != "101" {
			t.Errorf("Latest = %q, %v, want the last one", got, err)
		}
		if got := h.Stats().TailBytes; got > 1024 {
			t.Errorf("tail after the others' time is over: %d bytes, want those of one", got)
		}
		unsubscribe(t, h, "news", r)
		if got := h.Stats().TailBytes; got != 0 {
			t.Errorf("tails without channels hold %d bytes", got)
		}
	})
}
