package hub_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/seed-15847954/ropewalk/broker/memory"
	"github.com/seed-15847954/ropewalk/hub"
)

// A recorder is a subscriber that keeps what it gets.
type recorder struct {
	mu  sync.Mutex
	got []*hub.Publication
}

func (r *recorder) Deliver(p *hub.Publication) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got = append(r.got, p)
}

func (r *recorder) data() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []string
	for _, p := range r.got {
		all = append(all, string(p.Data))
	}
	return strings.Join(all, " ")
}

func (*recorder) Change(*hub.PresenceChange) {}

func (*recorder) Lost(error) {}

func publish(t *testing.T, h *hub.Hub, channel, data string) hub.Position {
	t.Helper()
	done, err := h.Publish(t.Context(), hub.Message{Channel: channel, Data: []byte(data)}, nil)
	if err != nil {
		t.Fatalf("Publish(%q) = %v", channel, err)
	}
	return done.Position
}

func subscribe(t *testing.T, h *hub.Hub, channel string, s hub.Subscriber) hub.Position {
	t.Helper()
	pos, err := h.Subscribe(t.Context(), channel, s)
	if err != nil {
		t.Fatalf("Subscribe(%q) = %v", channel, err)
	}
	return pos
}

func unsubscribe(t *testing.T, h *hub.Hub, channel string, s hub.Subscriber) {
	t.Helper()
	if err := h.Unsubscribe(t.Context(), channel, s); err != nil {
		t.Fatalf("Unsubscribe(%q) = %v", channel, err)
	}
}

func TestFanOut(t *testing.T) {
	h := hub.New(memory.New(memory.Config{}), hub.Config{})
	a, b, other := new(recorder), new(recorder), new(recorder)
	subscribe(t, h, "news", a)
	subscribe(t, h, "sport", other)
	publish(t, h, "news", "1")
	subscribe(t, h, "news", b)
	publish(t, h, "news", "2")
	unsubscribe(t, h, "news", a)
	publish(t, h, "news", "3")
	for _, c := range []struct {
		name string
		r    *recorder
		want string
	}{{"first", a, "1 2"}, {"second", b, "2 3"}, {"of another channel", other, ""}} {
		if got := c.r.data(); got != c.want {
			t.Errorf("subscriber %s got %q, want %q", c.name, got, c.want)
		}
	}
}

// A subscriber's position and the publications it gets are one chain of offsets.
func TestPositionsAreContinuous(t *testing.T) {
	h := hub.New(memory.New(memory.Config{}), hub.Config{})
	early, late := new(recorder), new(recorder)
	first := subscribe(t, h, "news", early)
	acked := publish(t, h, "news", "1")
	if got := subscribe(t, h, "news", late); got != acked {
		t.Errorf("Subscribe after a publication = %v, want its position %v", got, acked)
	}
	publish(t, h, "news", "2")
	checkChain(t, first, early.got)
	checkChain(t, acked, late.got)
}

func checkChain(t *testing.T, from hub.Position, got []*hub.Publication) {
	t.Helper()
	last := from
	for i, p := range got {
		if p.Epoch != last.Epoch || p.Prev != last.Offset || p.Offset <= p.Prev {
			t.Fatalf("publication %d is (%s, offset %d, prev %d) behind %v", i, p.Epoch, p.Offset, p.Prev, last)
		}
		last = p.Position
	}
}

func TestErrors(t *testing.T) {
	h := hub.New(memory.New(memory.Config{}), hub.Config{})
	r := new(recorder)
	subscribe(t, h, "news", r)
	_, twice := h.Subscribe(t.Context(), "news", r)
	_, badPublish := h.Publish(t.Context(), hub.Message{Channel: "a\x00b"}, nil)
	_, badSubscribe := h.Subscribe(t.Context(), "", r)
	for _, c := range []struct {
		name      string
		got, want error
	}{
		{"Subscribe twice", twice, hub.ErrAlreadySubscribed},
		{"Publish to a bad name", badPublish, hub.ErrChannelName},
		{"Subscribe to a bad name", badSubscribe, hub.ErrChannelName},
		{"Unsubscribe from an unknown channel", h.Unsubscribe(t.Context(), "other", r), hub.ErrNotSubscribed},
		{"Unsubscribe a stranger", h.Unsubscribe(t.Context(), "news", new(recorder)), hub.ErrNotSubscribed},
	} {
		if !errors.Is(c.got, c.want) {
			t.Errorf("%s = %v, want %v", c.name, c.got, c.want)
		}
	}
	publish(t, h, "news", "1")
	if got := r.data(); got != "1" {
		t.Errorf("after refused calls the subscriber got %q, want %q", got, "1")
	}
}

// Channels without subscribers cost nothing.
func TestChannelsAreLetGo(t *testing.T) {
	h := hub.New(memory.New(memory.Config{}), hub.Config{})
	r := new(recorder)
	for i := range 1000 {
		name := fmt.Sprint("channel ", i)
		publish(t, h, name, "1")
		subscribe(t, h, name, r)
	}
	if got := h.Channels(); got != 1000 {
		t.Errorf("Channels() = %d, want 1000", got)
	}
	if got := h.Subscribers("channel 7"); got != 1 {
		t.Errorf("Subscribers() = %d, want 1", got)
	}
	for i := range 1000 {
		unsubscribe(t, h, fmt.Sprint("channel ", i), r)
	}
	if got := h.Channels(); got != 0 {
		t.Errorf("Channels() after all have left = %d, want 0", got)
	}
	if got := h.Subscribers("channel 7"); got != 0 {
		t.Errorf("Subscribers() after all have left = %d, want 0", got)
	}
}

// A leaver is a subscriber that joins and leaves others while it is delivered to.
type leaver struct{ during func() }

func (l *leaver) Deliver(*hub.Publication) { l.during() }

func (*leaver) Change(*hub.PresenceChange) {}

func (*leaver) Lost(error) {}

// Joining and leaving do not wait for a broadcast that is under way.
func TestBroadcastHoldsNoLock(t *testing.T) {
	h := hub.New(memory.New(memory.Config{}), hub.Config{})
	a, b := new(recorder), new(recorder)
	l := &leaver{during: func() {}}
	subscribe(t, h, "news", l)
	subscribe(t, h, "news", a)
	l.during = func() {
		done := make(chan struct{})
		go func() {
			defer close(done)
			unsubscribe(t, h, "news", a)
			subscribe(t, h, "news", b)
		}()
		<-done
	}
	publish(t, h, "news", "1")
	l.during = func() {}
	publish(t, h, "news", "2")
	// The broadcast had begun when a left and b came.
	if got := a.data(); got != "1" {
		t.Errorf("the one who left got %q, want %q", got, "1")
	}
	if got := b.data(); got != "2" {
		t.Errorf("the one who came got %q, want %q", got, "2")
	}
}

// What was encoded can be forgotten, and is encoded once more then.
func TestForget(t *testing.T) {
	p := &hub.Publication{}
	for range 2 {
		calls := 0
		for range 3 {
			p.Encoded("f", func() hub.Packet { calls++; return packet("x") })
		}
		if calls != 1 {
			t.Errorf("encoded %d times, want once", calls)
		}
		p.Forget()
	}
}

func TestEncodedOncePerFormat(t *testing.T) {
	p := &hub.Publication{Message: hub.Message{Data: []byte("x")}}
	var mu sync.Mutex
	calls := map[hub.Format]int{}
	encode := func(f hub.Format) func() hub.Packet {
		return func() hub.Packet {
			mu.Lock()
			defer mu.Unlock()
			calls[f]++
			return packet(append([]byte(f), p.Data...))
		}
	}
	var wg sync.WaitGroup
	for i := range 100 {
		f := hub.Format([]string{"a", "b", "c"}[i%3])
		wg.Go(func() {
			if got, want := string(p.Encoded(f, encode(f)).(packet)), string(f)+"x"; got != want {
				t.Errorf("Encoded(%s) = %q, want %q", f, got, want)
			}
		})
	}
	wg.Wait()
	for f, n := range calls {
		if n != 1 {
			t.Errorf("format %s was encoded %d times, want 1", f, n)
		}
	}
}

type packet []byte

func (p packet) Size() int { return len(p) }

// Security 16.
func TestCheckChannel(t *testing.T) {
	for _, name := range []string{
		"a", "news", "a b", "* > . : { }", "ταξίδι", "日本", "\\'\"`;--", "..", "/", "$SYS", strings.Repeat("x", 255),
	} {
		if err := hub.CheckChannel(name); err != nil {
			t.Errorf("CheckChannel(%q) = %v, want nil", name, err)
		}
	}
	for _, name := range []string{
		"", "a\nb", "a\rb", "a\x00b", "\x1b[2J", "\x7f", "\u0085", "\u2028", "\u2029", "\xff", "\xed\xa0\x80", strings.Repeat("x", 256),
	} {
		if err := hub.CheckChannel(name); !errors.Is(err, hub.ErrChannelName) {
			t.Errorf("CheckChannel(%q) = %v, want an error", name, err)
		}
	}
}

// A moody broker fails when it is told to.
type moody struct {
	hub.Broker
	subscribe, unsubscribe error
	block                  chan struct{} // Subscribe waits for it, where it is not nil
	log                    []string
}

func (m *moody) Subscribe(ctx context.Context, channel string, sink hub.Sink) (hub.Position, error) {
	m.log = append(m.log, "subscribe")
	if m.block != nil {
		select {
		case <-m.block:
		case <-ctx.Done():
			return hub.Position{}, ctx.Err()
		}
	}
	if m.subscribe != nil {
		return hub.Position{}, m.subscribe
	}
	return m.Broker.Subscribe(ctx, channel, sink)
}

func (m *moody) Unsubscribe(ctx context.Context, channel string) error {
	m.log = append(m.log, "unsubscribe")
	if m.unsubscribe != nil {
		return m.unsubscribe
	}
	return m.Broker.Unsubscribe(ctx, channel)
}

// The broker is asked once by the first subscriber and told once by the last.
func TestBrokerIsAskedOnce(t *testing.T) {
	m := &moody{Broker: memory.New(memory.Config{})}
	h := hub.New(m, hub.Config{})
	a, b := new(recorder), new(recorder)
	subscribe(t, h, "news", a)
	subscribe(t, h, "news", b)
	unsubscribe(t, h, "news", a)
	unsubscribe(t, h, "news", b)
	subscribe(t, h, "news", a)
	if want := []string{"subscribe", "unsubscribe", "subscribe"}; !slices.Equal(m.log, want) {
		t.Errorf("calls of the broker = %v, want %v", m.log, want)
	}
}

func TestBrokerFails(t *testing.T) {
	broken := errors.New("broken")
	m := &moody{Broker: memory.New(memory.Config{}), subscribe: broken}
	h := hub.New(m, hub.Config{})
	r := new(recorder)
	if _, err := h.Subscribe(t.Context(), "news", r); !errors.Is(err, broken) {
		t.Errorf("Subscribe = %v, want %v", err, broken)
	}
	if got := h.Channels(); got != 0 {
		t.Errorf("Channels() after a refusal = %d, want 0", got)
	}
	m.subscribe = nil
	subscribe(t, h, "news", r)
	m.unsubscribe = broken
	if err := h.Unsubscribe(t.Context(), "news", r); !errors.Is(err, broken) {
		t.Errorf("Unsubscribe = %v, want %v", err, broken)
	}
	// The broker goes on delivering, and a new subscription works.
	publish(t, h, "news", "1")
	subscribe(t, h, "news", r)
	publish(t, h, "news", "2")
	if got := r.data(); got != "2" {
		t.Errorf("got %q, want %q", got, "2")
	}
}

// A caller gives up on its own: neither the broker's answer to another one nor the
// channel is harmed.
func TestSubscribeGivesUp(t *testing.T) {
	m := &moody{Broker: memory.New(memory.Config{}), block: make(chan struct{})}
	h := hub.New(m, hub.Config{})
	r := new(recorder)
	first := make(chan error, 1)
	go func() {
		_, err := h.Subscribe(t.Context(), "news", r)
		first <- err
	}()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.Subscribe(ctx, "news", new(recorder)); !errors.Is(err, context.Canceled) {
		t.Errorf("Subscribe with an ended context = %v, want %v", err, context.Canceled)
	}
	close(m.block)
	if err := <-first; err != nil {
		t.Fatalf("Subscribe = %v, want nil", err)
	}
	publish(t, h, "news", "1")
	if got := r.data(); got != "1" {
		t.Errorf("got %q, want %q", got, "1")
	}
}

// A log that begins another life while it is subscribed to, and says so first: the position is that of the later
// one, or else nobody would be told of it.
func TestEpochDuringSubscribe(t *testing.T) {
	f := newFake()
	h := hub.New(f, hub.Config{Default: keeping.Default})
	var once sync.Once
	f.step = func(label string) {
		if label == "subscribed news" {
			once.Do(func() {
				f.rotate("news")
				publish(t, h, "news", "1")
			})
		}
	}
	r := new(recorder)
	pos := subscribe(t, h, "news", r)
	if want := f.top("news"); pos != want {
		t.Errorf("Subscribe = %v, want %v", pos, want)
	}
	publish(t, h, "news", "2")
	if got := r.data(); got != "2" {
		t.Errorf("got %q, want %q", got, "2")
	}
	unsubscribe(t, h, "news", r)
	if f.opened != 0 {
		t.Errorf("%d subscriptions of the broker are left", f.opened)
	}
}
