package session

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/seed-15847954/ropewalk/hub"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// unlimited is the room of a wire that takes everything.
const unlimited = 1 << 30

// A wire is a transport that keeps what is sent.
type wire struct {
	mu      sync.Mutex
	room    int // how many packets it still takes
	refused bool
	sent    []*packet
	cause   error
	aborted bool
	session *Session
}

func newWire() *wire { return &wire{room: unlimited} }

func (w *wire) Send(p hub.Packet) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.room == 0 {
		w.refused = true
		return false
	}
	if w.room < unlimited {
		w.room--
	}
	w.sent = append(w.sent, p.(*packet))
	return true
}

// stall takes nothing any more.
func (w *wire) stall() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.room = 0
}

// open takes n more packets.
func (w *wire) open(n int) {
	w.mu.Lock()
	w.room = min(w.room+n, unlimited)
	refused := w.refused
	w.refused = false
	w.mu.Unlock()
	if refused {
		w.session.Ready()
	}
}

func (w *wire) Close(cause error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cause = cause
}

func (w *wire) Abort() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.aborted = true
}

// text returns what was sent since it was called last.
func (w *wire) text() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var words []string
	for _, p := range w.sent {
		words = append(words, p.String())
	}
	w.sent = nil
	return strings.Join(words, " ")
}

// A packet is one of plain.
type packet struct {
	kind         string // empty for a publication
	word         string
	channel      string
	prev, offset uint64
	epoch        string
	cause        error
	start        Start
}

func (p *packet) Size() int { return len(p.word) }

// String shows short text: what a test is about.
func (p *packet) String() string {
	switch p.kind {
	case "skip":
		return fmt.Sprintf("skip(%d-%d %s)", p.prev, p.offset, p.word)
	case "ack":
		text := p.word
		if p.start.Position != nil {
			text += fmt.Sprint("@", p.start.Position.Offset)
		}
		if p.start.Recovered != nil {
			text += fmt.Sprint(":", *p.start.Recovered, p.start.Reason())
		}
		return text
	}
	return p.kind + p.word
}

// plain is a codec whose packets say what they are.
type plain struct{}

func (plain) Format() hub.Format { return "plain" }

func (plain) Publication(p *hub.Publication, pattern string) hub.Packet {
	word := string(p.Data)
	if pattern != "" {
		word = pattern + "=" + word
	}
	return &packet{word: word, channel: p.Channel, prev: p.Prev, offset: p.Offset, epoch: p.Epoch}
}

func (plain) Skip(channel string, prev uint64, pos hub.Position, reason SkipReason) hub.Packet {
	return &packet{kind: "skip", word: string(reason), channel: channel, prev: prev, offset: pos.Offset, epoch: pos.Epoch}
}

func (plain) Change(c *hub.PresenceChange) hub.Packet {
	if c.Left {
		return &packet{kind: "left:", word: c.Member.Client, channel: c.Channel}
	}
	return &packet{kind: "joined:", word: c.Member.Client, channel: c.Channel}
}

func (plain) Subscribed(t Target, st Start) hub.Packet {
	return &packet{kind: "ack", word: "subscribed:" + t.Channel, channel: t.Channel, start: st}
}

func (plain) Unsubscribed(t Target, cause error) hub.Packet {
	return &packet{kind: "unsubscribed:", word: t.Channel, channel: t.Channel, cause: cause}
}

func (plain) Message(data []byte, _ string) hub.Packet {
	return &packet{kind: "message:", word: string(data)}
}

// ack answers with a word and where the subscription begins.
func ack(word string) func(Start) hub.Packet {
	return func(st Start) hub.Packet { return &packet{kind: "ack", word: word, channel: word, start: st} }
}

func text(word string) *packet { return &packet{word: word} }

// A bench has a hub on a memory broker. Channels have the options of the test.
type bench struct {
	*testing.T
	broker *broker
	hub    *hub.Hub
	watch  *Session // of lobby
}

func newBench(t *testing.T, o hub.Options) *bench {
	broker := newBroker()
	return &bench{T: t, broker: broker, hub: hub.New(broker, hub.Config{Default: o, TailBytes: -1})}
}

// withHistory are options of channels that keep what is published.
func withHistory(slow hub.Policy) hub.Options {
	return hub.Options{History: 10000, HistoryTime: time.Hour, Slow: slow}
}

// open makes a session that the test has to close.
func (b *bench) open(config Config) (*Session, *wire) {
	w := newWire()
	config.Hub, config.Transport, config.Codec = b.hub, w, plain{}
	s := New(config)
	w.session = s
	return s, w
}

func (b *bench) subscribe(s *Session, r Request) {
	b.Helper()
	if err := s.Subscribe(b.Context(), r, ack(r.Channel+r.Pattern.String())); err != nil {
		b.Fatal(err)
	}
}

func channel(name string) Request { return Request{Target: Target{Channel: name}} }

// from asks for what lies behind an offset.
func (b *bench) from(name string, offset uint64) Request {
	r := channel(name)
	pos := b.top(name)
	pos.Offset = offset
	r.From = &pos
	return r
}

func (b *bench) top(name string) hub.Position {
	b.Helper()
	page, err := b.hub.History(b.Context(), name, hub.Query{Limit: 1})
	if err != nil {
		b.Fatal(err)
	}
	return page.Top
}

func (b *bench) publish(name string, words ...string) {
	b.Helper()
	for _, word := range words {
		if _, err := b.hub.Publish(b.Context(), hub.Message{Channel: name, Data: []byte(word)}, nil); err != nil {
			b.Fatal(err)
		}
	}
}

// expect fails unless just this was sent since the last time.
func (b *bench) expect(w *wire, want string) {
	b.Helper()
	synctest.Wait()
	if got := w.text(); got != want {
		b.Errorf("sent %q, want %q", got, want)
	}
}

var errOver = errors.New("the test is over")

func (b *bench) end(sessions ...*Session) {
	b.Helper()
	for _, s := range sessions {
		s.Close(errOver)
		<-s.Done()
	}
	if n := b.hub.Channels(); n != 0 {
		b.Errorf("%d channels with subscribers after the end, want none", n)
	}
}

// pause lets the calls of the broker of that name wait until what is received is closed.
func (b *bench) pause(call string) <-chan chan struct{} {
	calls := make(chan chan struct{})
	b.broker.before = func(c string) {
		if c == call {
			step := make(chan struct{})
			calls <- step
			<-step
		}
	}
	return calls
}

// bubble runs a test in one of synctest.
func bubble(t *testing.T, o hub.Options, test func(b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(newBench(t, o)) })
}

// quiet lets the time pass that the hub waits between readings, and waits until
// everything else does.
func (b *bench) quiet() {
	<-time.After(time.Second)
	synctest.Wait()
}
