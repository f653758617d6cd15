package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/seed-15847954/ropewalk/broker/memory"
	"github.com/seed-15847954/ropewalk/hub"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A wire is a transport that keeps what is sent. While stall is open, Send blocks.
type wire struct {
	stall  chan struct{} // nil: nothing blocks
	broken error         // what Send returns

	mu      sync.Mutex
	sent    []string
	batches int
	cause   error
	aborted bool

	ended     chan struct{}
	endedOnce sync.Once
}

func newWire() *wire { return &wire{ended: make(chan struct{})} }

func (w *wire) Send(messages []hub.Packet) error {
	if w.stall != nil {
		select {
		case <-w.stall:
		case <-w.ended:
			return errors.New("connection ended")
		}
	}
	if w.broken != nil {
		return w.broken
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.batches++
	for _, m := range messages {
		w.sent = append(w.sent, string(m.(text)))
	}
	return nil
}

func (w *wire) Close(cause error) {
	w.mu.Lock()
	w.cause = cause
	w.mu.Unlock()
	w.endedOnce.Do(func() { close(w.ended) })
}

func (w *wire) Abort() {
	w.mu.Lock()
	w.aborted = true
	w.mu.Unlock()
	w.endedOnce.Do(func() { close(w.ended) })
}

func (w *wire) text() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.sent, " ")
}

// plain is a codec that shows the data alone.
type plain struct{}

func (plain) Format() hub.Format                        { return "plain" }
func (plain) Publication(p *hub.Publication) hub.Packet { return text(p.Data) }

// A text is a packet.
type text []byte

func (t text) Size() int { return len(t) }

func ack(word string) func(hub.Position) hub.Packet {
	return func(pos hub.Position) hub.Packet { return text(fmt.Appendf(nil, "%s@%d", word, pos.Offset)) }
}

func publish(t *testing.T, h *hub.Hub, channel, data string) {
	t.Helper()
	if _, err := h.Publish(t.Context(), hub.Message{Channel: channel, Data: []byte(data)}, nil); err != nil {
		t.Fatal(err)
	}
}

func end(s *Session) {
	s.Close(errors.New("the test is over"))
	<-s.Done()
}

func TestSubscribe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := newWire(), hub.New(memory.New(memory.Config{}), hub.Config{})
		s := New(Config{Hub: h, Transport: w, Codec: plain{}})
		publish(t, h, "news", "before")
		if err := s.Subscribe(t.Context(), "news", ack("news")); err != nil {
			t.Fatal(err)
		}
		publish(t, h, "news", "a")
		if _, err := s.Publish(t.Context(), hub.Message{Channel: "news", Data: []byte("b")}, nil); err != nil {
			t.Fatal(err)
		}
		if err := s.Unsubscribe("news", text("bye")); err != nil {
			t.Fatal(err)
		}
		publish(t, h, "news", "after")
		synctest.Wait()
		if got, want := w.text(), "news@1 a b bye"; got != want {
			t.Errorf("sent %q, want %q", got, want)
		}
		end(s)
	})
}

func TestSubscribeRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := newWire(), hub.New(memory.New(memory.Config{}), hub.Config{})
		s := New(Config{Hub: h, Transport: w, Codec: plain{}, MaxSubscriptions: 2})
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
			if err := s.Subscribe(t.Context(), c.channel, ack(c.channel)); !errors.Is(err, c.want) {
				t.Errorf("Subscribe(%q) = %v, want %v", c.channel, err, c.want)
			}
		}
		if err := s.Unsubscribe("c", nil); !errors.Is(err, hub.ErrNotSubscribed) {
			t.Errorf("Unsubscribe of a stranger = %v, want %v", err, hub.ErrNotSubscribed)
		}
		if got := s.Subscriptions(); got != 2 {
			t.Errorf("Subscriptions() = %d, want 2", got)
		}
		end(s)
		if got := h.Channels(); got != 0 {
			t.Errorf("channels with subscribers after the end = %d, want 0", got)
		}
		for name, err := range map[string]error{
			"Send":        s.Send(text("x")),
			"Subscribe":   s.Subscribe(t.Context(), "d", ack("d")),
			"Unsubscribe": s.Unsubscribe("a", nil),
		} {
			if !errors.Is(err, ErrClosed) && !errors.Is(err, hub.ErrNotSubscribed) {
				t.Errorf("%s after the end = %v, want %v", name, err, ErrClosed)
			}
		}
	})
}

// What is published between joining and the answer waits for the answer.
func TestAnswerComesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := newWire(), hub.New(memory.New(memory.Config{}), hub.Config{})
		s := New(Config{Hub: h, Transport: w, Codec: plain{}})
		err := s.Subscribe(t.Context(), "news", func(pos hub.Position) hub.Packet {
			// The hub has let the session in by now.
			publish(t, h, "news", "a")
			publish(t, h, "news", "b")
			return ack("news")(pos)
		})
		if err != nil {
			t.Fatal(err)
		}
		publish(t, h, "news", "c")
		synctest.Wait()
		if got, want := w.text(), "news@0 a b c"; got != want {
			t.Errorf("sent %q, want %q", got, want)
		}
		end(s)
	})
}

// A session that ends while the hub is asked leaves nothing behind.
func TestEndsWhileSubscribing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := newWire(), hub.New(memory.New(memory.Config{}), hub.Config{})
		s := New(Config{Hub: h, Transport: w, Codec: plain{}})
		err := s.Subscribe(t.Context(), "news", func(pos hub.Position) hub.Packet {
			end(s)
			return nil
		})
		if !errors.Is(err, ErrClosed) {
			t.Errorf("Subscribe = %v, want %v", err, ErrClosed)
		}
		if got := h.Channels(); got != 0 {
			t.Errorf("channels with subscribers = %d, want 0", got)
		}
	})
}

// Messages that queue up while one is being sent leave together.
func TestBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		w.stall = make(chan struct{})
		s := New(Config{Hub: hub.New(memory.New(memory.Config{}), hub.Config{}), Transport: w, Codec: plain{}})
		for i := range 5 {
			if err := s.Send(text(fmt.Append(nil, i))); err != nil {
				t.Fatal(err)
			}
			synctest.Wait() // the writer takes the first one alone
		}
		close(w.stall)
		synctest.Wait()
		if w.text() != "0 1 2 3 4" || w.batches != 2 {
			t.Errorf("sent %q in %d batches, want all in 2", w.text(), w.batches)
		}
		end(s)
	})
}

// A client that does not take its messages is disconnected when its queue is full,
// and nobody else notices.
func TestSlowConsumer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hub.New(memory.New(memory.Config{}), hub.Config{})
		stalled, healthy := newWire(), newWire()
		stalled.stall = make(chan struct{})
		slow := New(Config{Hub: h, Transport: stalled, Codec: plain{}, MaxQueue: 1000})
		other := New(Config{Hub: h, Transport: healthy, Codec: plain{}, MaxQueue: 1000})
		for _, s := range []*Session{slow, other} {
			if err := s.Subscribe(t.Context(), "news", ack("news")); err != nil {
				t.Fatal(err)
			}
		}
		want := []string{"news@0"}
		for i := range 20 {
			data := fmt.Sprintf("%060d", i)
			want = append(want, data)
			publish(t, h, "news", data)
			synctest.Wait()
		}
		<-slow.Done()
		if !errors.Is(stalled.cause, ErrSlowConsumer) || !errors.Is(slow.Cause(), ErrSlowConsumer) {
			t.Errorf("ended because of %v, want %v", stalled.cause, ErrSlowConsumer)
		}
		if got := h.Subscribers("news"); got != 1 {
			t.Errorf("subscribers = %d, want the other one alone", got)
		}
		if !slices.Equal(healthy.sent, want) {
			t.Errorf("the other one got %d messages, want %d in order", len(healthy.sent), len(want))
		}
		end(other)
	})
}

// The bound counts what each message costs, so that empty ones are bounded too, and
// what is being sent as well as what waits.
func TestQueueIsBounded(t *testing.T) {
	for _, size := range []int{0, 1, 100} {
		synctest.Test(t, func(t *testing.T) {
			w := newWire()
			w.stall = make(chan struct{})
			s := New(Config{Hub: hub.New(memory.New(memory.Config{}), hub.Config{}), Transport: w, Codec: plain{}, MaxQueue: 10_000})
			taken := 0
			for s.Send(text(make([]byte, size))) == nil {
				taken++
				synctest.Wait()
			}
			if want := 10_000 / (size + messageOverhead); taken != want {
				t.Errorf("messages of %d bytes: %d were queued, want %d", size, taken, want)
			}
			<-s.Done()
		})
	}
}

// What comes while a subscription is on its way counts in the bound.
func TestHeldIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, h := newWire(), hub.New(memory.New(memory.Config{}), hub.Config{})
		s := New(Config{Hub: h, Transport: w, Codec: plain{}, MaxQueue: 1000})
		err := s.Subscribe(t.Context(), "news", func(hub.Position) hub.Packet {
			for range 20 {
				publish(t, h, "news", strings.Repeat("x", 60))
			}
			return nil
		})
		<-s.Done()
		if !errors.Is(err, ErrClosed) || !errors.Is(s.Cause(), ErrSlowConsumer) {
			t.Errorf("Subscribe = %v, cause %v, want %v because of %v", err, s.Cause(), ErrClosed, ErrSlowConsumer)
		}
	})
}

// At the end what was queued is still sent, but not for ever.
func TestCloseFlushes(t *testing.T) {
	for _, c := range []struct {
		name  string
		stall time.Duration
		want  string
	}{
		{"a client that catches up", flushTime / 2, "0 1 2"},
		{"a client that does not", time.Hour, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWire()
				w.stall = make(chan struct{})
				s := New(Config{Hub: hub.New(memory.New(memory.Config{}), hub.Config{}), Transport: w, Codec: plain{}})
				for i := range 3 {
					if err := s.Send(text(fmt.Append(nil, i))); err != nil {
						t.Fatal(err)
					}
				}
				timer := time.AfterFunc(c.stall, func() { close(w.stall) })
				defer timer.Stop()
				start := time.Now()
				s.Close(ErrShutdown)
				s.Close(errors.New("another cause"))
				<-s.Done()
				if got := time.Since(start); got != min(c.stall, flushTime) {
					t.Errorf("the end took %v, want %v", got, min(c.stall, flushTime))
				}
				if w.text() != c.want || !errors.Is(w.cause, ErrShutdown) {
					t.Errorf("sent %q and closed because of %v, want %q and %v", w.text(), w.cause, c.want, ErrShutdown)
				}
			})
		})
	}
}

// A transport that fails ends the session with its error.
func TestTransportFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		w.broken = errors.New("no route")
		s := New(Config{Hub: hub.New(memory.New(memory.Config{}), hub.Config{}), Transport: w, Codec: plain{}})
		_ = s.Send(text("x")) // it may have ended already
		<-s.Done()
		if !errors.Is(w.cause, w.broken) {
			t.Errorf("closed because of %v, want %v", w.cause, w.broken)
		}
	})
}

func TestIDs(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		id := New(Config{}).ID()
		if len(id) != 32 || seen[id] {
			t.Fatalf("ID() = %q, want 128 bits that were not seen before", id)
		}
		seen[id] = true
	}
}

// add puts a session into the set whose owner removes it when it has ended.
func add(t *testing.T, set *Set, w *wire) *Session {
	t.Helper()
	s := New(Config{Hub: hub.New(memory.New(memory.Config{}), hub.Config{}), Transport: w, Codec: plain{}})
	if err := set.Add(s); err != nil {
		t.Fatal(err)
	}
	go func() {
		<-s.Done()
		set.Remove(s)
	}()
	return s
}

func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var set Set
		wires := []*wire{newWire(), newWire()}
		for _, w := range wires {
			add(t, &set, w)
		}
		if got := set.Len(); got != 2 {
			t.Errorf("Len() = %d, want 2", got)
		}
		if err := set.Drain(t.Context()); err != nil {
			t.Errorf("Drain = %v, want nil", err)
		}
		for _, w := range wires {
			if !errors.Is(w.cause, ErrShutdown) || w.aborted {
				t.Errorf("closed because of %v, aborted %v, want %v", w.cause, w.aborted, ErrShutdown)
			}
		}
		if err := set.Add(New(Config{})); !errors.Is(err, ErrShutdown) {
			t.Errorf("Add after Drain = %v, want %v", err, ErrShutdown)
		}
		if err := set.Drain(t.Context()); err != nil {
			t.Errorf("second Drain = %v, want nil", err)
		}
	})
}

// A connection that does not end in time is cut off.
func TestDrainAborts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var set Set
		w := newWire()
		w.stall = make(chan struct{})
		s := add(t, &set, w)
		if err := s.Send(text("x")); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), flushTime/4)
		defer cancel()
		if err := set.Drain(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Drain = %v, want %v", err, context.DeadlineExceeded)
		}
		if !w.aborted {
			t.Error("the connection was not cut off")
		}
	})
}
