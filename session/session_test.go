package session

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/seed-15847954/ropewalk/hub"
)

func TestSubscribe(t *testing.T) {
	bubble(t, hub.Options{}, func(b *bench) {
		s, w := b.open(Config{})
		b.publish("news", "before")
		b.subscribe(s, channel("news"))
		b.publish("news", "a")
		if _, err := s.Publish(b.Context(), hub.Message{Channel: "news", Data: []byte("b")}, nil); err != nil {
			b.Fatal(err)
		}
		if err := s.Unsubscribe(Target{Channel: "news"}, text("bye")); err != nil {
			b.Fatal(err)
		}
		b.publish("news", "after")
		b.expect(w, "news@1 a b bye")
		b.end(s)
	})
}

func TestSubscribeRefuses(t *testing.T) {
	bubble(t, hub.Options{}, func(b *bench) {
		s, _ := b.open(Config{MaxSubscriptions: 2})
		for _, c := range []struct {
			channel string
			want    error
		}{
			{"a", nil},
			{"a", hub.ErrAlreadySubscribed},
			{"bad\n", hub.ErrChannelName},
			{"b", nil},
			{"c", ErrTooManySubscriptions},
		} {
			if err := s.Subscribe(b.Context(), channel(c.channel), ack(c.channel)); !errors.Is(err, c.want) {
				b.Errorf("Subscribe(%q) = %v, want %v", c.channel, err, c.want)
			}
		}
		if err := s.Unsubscribe(Target{Channel: "c"}, nil); !errors.Is(err, hub.ErrNotSubscribed) {
			b.Errorf("Unsubscribe of a stranger = %v, want %v", err, hub.ErrNotSubscribed)
		}
		if got := s.Subscriptions(); got != 2 || len(s.Targets()) != 2 {
			b.Errorf("Subscriptions() = %d, Targets() = %v, want 2", got, s.Targets())
		}
		b.end(s)
		for name, err := range map[string]error{
			"Send":        s.Send(text("x")),
			"Message":     s.Message([]byte("x"), ""),
			"Subscribe":   s.Subscribe(b.Context(), channel("d"), ack("d")),
			"Unsubscribe": s.Unsubscribe(Target{Channel: "a"}, nil),
		} {
			if !errors.Is(err, ErrClosed) && !errors.Is(err, hub.ErrNotSubscribed) {
				b.Errorf("%s after the end = %v, want %v", name, err, ErrClosed)
			}
		}
	})
}

// Many subscriptions are found like few.
func TestManySubscriptions(t *testing.T) {
	bubble(t, hub.Options{}, func(b *bench) {
		s, w := b.open(Config{})
		const many = 3 * indexFrom
		for i := range many {
			if err := s.Subscribe(b.Context(), channel(fmt.Sprint("c", i)), nil); err != nil {
				b.Fatal(err)
			}
		}
		for i := range many {
			b.publish(fmt.Sprint("c", i), fmt.Sprint(i))
			if err := s.Unsubscribe(Target{Channel: fmt.Sprint("c", i)}, nil); err != nil {
				b.Errorf("Unsubscribe(c%d) = %v, want nil", i, err)
			}
		}
		var want []string
		for i := range many {
			want = append(want, fmt.Sprint(i))
		}
		b.expect(w, strings.Join(want, " "))
		b.end(s)
	})
}

// A publication does not go to the client that excludes itself, whose chain has no gap
// even so.
func TestExcludeSelf(t *testing.T) {
	bubble(t, hub.Options{}, func(b *bench) {
		s, w := b.open(Config{})
		other, wo := b.open(Config{})
		b.subscribe(s, channel("news"))
		b.subscribe(other, channel("news"))
		p, err := hub.ParsePattern("n*")
		if err != nil {
			b.Fatal(err)
		}
		b.subscribe(s, Request{Target: Target{Pattern: p}})
		m := hub.Message{Channel: "news", Data: []byte("mine"), ExcludeClient: true}
		if _, err := s.Publish(b.Context(), m, nil); err != nil {
			b.Fatal(err)
		}
		b.publish("news", "a")
		b.expect(w, "news@0 n* skip(0-1 own) a n*=a")
		b.expect(wo, "news@0 mine a")
		b.end(s, other)
	})
}

func TestPattern(t *testing.T) {
	bubble(t, hub.Options{}, func(b *bench) {
		s, w := b.open(Config{})
		p, err := hub.ParsePattern("news.*")
		if err != nil {
			b.Fatal(err)
		}
		b.subscribe(s, Request{Target: Target{Pattern: p}})
		b.publish("news.sport", "goal")
		b.publish("weather", "rain")
		b.expect(w, "news.* news.*=goal")
		if err := s.Unsubscribe(Target{Pattern: p}, text("bye")); err != nil {
			b.Fatal(err)
		}
		b.publish("news.sport", "goal")
		b.expect(w, "bye")
		b.end(s)
	})
}

func TestMessage(t *testing.T) {
	bubble(t, hub.Options{}, func(b *bench) {
		s, w := b.open(Config{})
		if err := s.Message([]byte("hello"), "text/plain"); err != nil {
			b.Fatal(err)
		}
		b.expect(w, "message:hello")
		b.end(s)
	})
}

// A back end ends a subscription, and the client is told.
func TestEnd(t *testing.T) {
	bubble(t, hub.Options{}, func(b *bench) {
		s, w := b.open(Config{})
		b.subscribe(s, channel("news"))
		if !s.End(Target{Channel: "news"}, errOver) || s.End(Target{Channel: "news"}, errOver) {
			b.Error("End did not end the subscription once")
		}
		b.publish("news", "a")
		b.expect(w, "news@0 unsubscribed:news")
		b.end(s)
	})
}

// A session that ends while the hub is asked leaves nothing behind.
func TestEndsWhileSubscribing(t *testing.T) {
	bubble(t, hub.Options{Presence: true}, func(b *bench) {
		s, _ := b.open(Config{})
		paused := b.pause("subscribe news")
		result := make(chan error)
		go func() { result <- s.Subscribe(b.Context(), channel("news"), ack("news")) }()
		step := <-paused
		s.Close(errOver)
		<-s.Done()
		close(step)
		if err := <-result; !errors.Is(err, ErrClosed) {
			b.Errorf("Subscribe = %v, want %v", err, ErrClosed)
		}
		b.end(s)
	})
}

// At the end what was queued is still sent, but not for ever, and not when the
// connection is lost.
func TestCloseFlushes(t *testing.T) {
	for _, c := range []struct {
		name  string
		stall time.Duration // from Close on
		lost  time.Duration
		want  string
		takes time.Duration
	}{
		{"a client that catches up", flushTime / 2, time.Hour, "0 1 2", flushTime / 2},
		{"a client that does not", time.Hour, time.Hour, "", flushTime},
		{"a connection that is lost", time.Hour, 0, "", 0},
		{"a connection that is lost meanwhile", time.Hour, flushTime / 4, "", flushTime / 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, hub.Options{}, func(b *bench) {
				s, w := b.open(Config{})
				w.stall()
				for i := range 3 {
					if err := s.Send(text(fmt.Sprint(i))); err != nil {
						b.Fatal(err)
					}
				}
				opens := time.AfterFunc(c.stall, func() { w.open(unlimited) })
				defer opens.Stop()
				start := time.Now()
				if c.lost > 0 {
					s.Close(ErrShutdown)
				}
				lost := time.AfterFunc(c.lost, func() { s.Lost(ErrShutdown) })
				defer lost.Stop()
				<-s.Done()
				s.Close(errors.New("another cause"))
				if got := time.Since(start); got != c.takes {
					b.Errorf("the end took %v, want %v", got, c.takes)
				}
				if got := w.text(); got != c.want || !errors.Is(w.cause, ErrShutdown) || !errors.Is(s.Cause(), ErrShutdown) {
					b.Errorf("sent %q and closed because of %v, want %q and %v", got, w.cause, c.want, ErrShutdown)
				}
			})
		})
	}
}

func TestIdentity(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		i := NewIdentity("node")
		secret, ok := strings.CutPrefix(i.ID, "node.")
		if !ok || len(secret) != 32 || len(i.Client) != 16 || seen[secret] || seen[i.Client] || strings.Contains(secret, i.Client) {
			t.Fatalf("NewIdentity(node) = %+v, want 128 and 64 bits that were not seen before", i)
		}
		seen[secret], seen[i.Client] = true, true
	}
}

func TestCommands(t *testing.T) {
	bubble(t, hub.Options{History: 10, HistoryTime: time.Hour, Presence: true}, func(b *bench) {
		s, _ := b.open(Config{User: "ann", Info: []byte(`"x"`)})
		b.subscribe(s, channel("news"))
		top := b.top("news")
		if _, err := s.Publish(b.Context(), hub.Message{Channel: "news", Client: "forged"}, &top); err != nil {
			b.Fatal(err)
		}
		if _, err := s.Publish(b.Context(), hub.Message{Channel: "news"}, &top); !errors.Is(err, hub.ErrConflict) {
			b.Errorf("Publish at a position that is over = %v, want %v", err, hub.ErrConflict)
		}
		page, err := s.History(b.Context(), "news", hub.Query{Limit: 10})
		if err != nil || len(page.Publications) != 1 || page.Publications[0].Client != s.Client() {
			b.Errorf("History = %+v, %v, want the publication of this client", page, err)
		}
		members, more, err := s.Members(b.Context(), "news", "", 10)
		if err != nil || more || len(members) != 1 || members[0].Client != s.Client() || members[0].User != "ann" || string(members[0].Info) != `"x"` {
			b.Errorf("Members = %+v, %v, %v, want this client", members, more, err)
		}
		if clients, users, err := s.Count(b.Context(), "news"); clients != 1 || users != 1 || err != nil {
			b.Errorf("Count = %d, %d, %v, want 1, 1", clients, users, err)
		}
		b.end(s)
	})
}
