package memory

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/seed-15847954/ropewalk/hub"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type sink struct {
	mu  sync.Mutex
	got []*hub.Publication
}

func (s *sink) Change(*hub.PresenceChange) {}

func (*sink) Moved(hub.Position) {}

func (s *sink) Deliver(p *hub.Publication) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = append(s.got, p)
}

func publish(t *testing.T, b *Broker, channel, data string) hub.Position {
	t.Helper()
	done, err := b.Publish(t.Context(), hub.Message{Channel: channel, ID: "id", Data: []byte(data), ContentType: "a/b"}, hub.PublishOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return done.Position
}

func subscribe(t *testing.T, b *Broker, channel string, s hub.Sink) hub.Position {
	t.Helper()
	pos, err := b.Subscribe(t.Context(), channel, s)
	if err != nil {
		t.Fatal(err)
	}
	return pos
}

func TestPublish(t *testing.T) {
	b := New(Config{})
	s := new(sink)
	start := subscribe(t, b, "news", s)
	for _, data := range []string{"1", "2"} {
		acked := publish(t, b, "news", data)
		p := s.got[len(s.got)-1]
		if p.Position != acked || p.Prev != start.Offset || p.Offset <= p.Prev {
			t.Errorf("delivered (%v, prev %d) behind %v, acked %v", p.Position, p.Prev, start, acked)
		}
		if p.Channel != "news" || p.ID != "id" || string(p.Data) != data || p.ContentType != "a/b" || p.Time.IsZero() {
			t.Errorf("delivered %+v at %v, want the message as it was published", p.Message, p.Time)
		}
		start = p.Position
	}
	if err := b.Unsubscribe(t.Context(), "news"); err != nil {
		t.Fatal(err)
	}
	publish(t, b, "news", "3")
	if len(s.got) != 2 {
		t.Errorf("the sink got %d publications, want the 2 before Unsubscribe", len(s.got))
	}
}

// A second Subscribe replaces the sink; Unsubscribe of a channel without one does
// nothing.
func TestSubscribeAgain(t *testing.T) {
	b := New(Config{})
	first, second := new(sink), new(sink)
	subscribe(t, b, "news", first)
	publish(t, b, "news", "1")
	subscribe(t, b, "news", second)
	publish(t, b, "news", "2")
	if len(first.got) != 1 || len(second.got) != 1 {
		t.Errorf("sinks got %d and %d publications, want 1 and 1", len(first.got), len(second.got))
	}
	if err := b.Unsubscribe(t.Context(), "other"); err != nil {
		t.Errorf("Unsubscribe of an unknown channel = %v, want nil", err)
	}
}

func TestEpochIsRandom(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		pos := publish(t, New(Config{}), "news", "1")
		if len(pos.Epoch) != 32 || seen[pos.Epoch] {
			t.Fatalf("epoch = %q, want 128 bits that were not seen before", pos.Epoch)
		}
		seen[pos.Epoch] = true
	}
}

// One (epoch, offset) of a channel is one publication for ever, although channels
// are forgotten in between.
func TestOffsetsAreNotUsedTwice(t *testing.T) {
	b := New(Config{})
	last := map[string]uint64{}
	for i := range 10_000 {
		channel := fmt.Sprint(i * 7919 % 200)
		if i%3 == 0 {
			pos := subscribe(t, b, channel, new(sink))
			if pos.Offset < last[channel] {
				t.Fatalf("Subscribe(%s) = offset %d, behind %d", channel, pos.Offset, last[channel])
			}
		}
		pos := publish(t, b, channel, "x")
		if pos.Offset <= last[channel] {
			t.Fatalf("Publish(%s) = offset %d, after %d", channel, pos.Offset, last[channel])
		}
		last[channel] = pos.Offset
		if i%2 == 0 {
			if err := b.Unsubscribe(t.Context(), channel); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// Channels that nobody is subscribed to leave nothing behind.
//
// Security 28.
func TestForgets(t *testing.T) {
	b := New(Config{})
	for i := range 10_000 {
		channel := fmt.Sprint(i)
		publish(t, b, channel, "x")
		subscribe(t, b, channel, new(sink))
		if err := b.Unsubscribe(t.Context(), channel); err != nil {
			t.Fatal(err)
		}
	}
	kept := 0
	for i := range b.shards {
		kept += len(b.shards[i].logs)
	}
	if kept != 0 {
		t.Errorf("%d logs are kept, want none", kept)
	}
}

// Many goroutines publish, subscribe and unsubscribe: what a sink gets between is
// in order and without a gap.
func TestConcurrently(t *testing.T) {
	b := New(Config{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 500 {
				publish(t, b, "news", "x")
			}
		})
	}
	wg.Go(func() {
		for range 200 {
			s := new(sink)
			last, err := b.Subscribe(context.Background(), "news", s)
			if err != nil {
				t.Error(err)
			}
			if err := b.Unsubscribe(context.Background(), "news"); err != nil {
				t.Error(err)
			}
			for _, p := range s.got {
				if p.Prev != last.Offset && p.Offset > last.Offset {
					t.Errorf("offset %d has prev %d, want %d", p.Offset, p.Prev, last.Offset)
				}
				last = p.Position
			}
		}
	})
	wg.Wait()
}
