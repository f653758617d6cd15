package native

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15847954/ropewalk/broker/memory"
	"github.com/seed-15847954/ropewalk/hub"
	"github.com/seed-15847954/ropewalk/session"
	"github.com/seed-15847954/ropewalk/websocket"
)

// A slowBroker takes publications only once its gate is open.
type slowBroker struct {
	*memory.Broker
	gate chan struct{}
}

func (b *slowBroker) Publish(ctx context.Context, m hub.Message, o hub.PublishOptions) (hub.Published, error) {
	select {
	case <-b.gate:
		return b.Broker.Publish(ctx, m, o)
	case <-ctx.Done():
		return hub.Published{}, context.Cause(ctx)
	}
}

func newSlowBroker() *slowBroker {
	return &slowBroker{memory.New(memory.Config{}), make(chan struct{})}
}

// A record is a transport that remembers.
type record struct {
	mu    sync.Mutex
	sent  []string
	cause error
}

func (r *record) Send(p hub.Packet) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent = append(r.sent, string(p.(*packet).bytes))
	return true
}

func (r *record) Close(cause error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cause = cause
}

func (r *record) Abort() {}

func (r *record) messages() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sent
}

// talk begins a conversation of a client that is connected.
func talk(ctx context.Context, b *backEnd) (*conversation, *record) {
	c, r := new(conversation), new(record)
	c.start(ctx, b.Handler, jsonCodec{}, r)
	c.receive(ctx, []byte(`{"id":1,"connect":{}}`))
	synctest.Wait()
	return c, r
}

func publishes(from, n int) []byte {
	var all []string
	for id := range n {
		all = append(all, fmt.Sprintf(`{"id":%d,"publish":{"channel":"news","data":%d}}`, from+id, from+id))
	}
	return []byte("[" + strings.Join(all, ",") + "]")
}

func (b *slowBroker) Unsubscribe(ctx context.Context, channel string) error {
	<-b.gate
	return b.Broker.Unsubscribe(ctx, channel)
}

// What is long may follow connect at once: it waits while a session is taken over.
//
// Security 5.
func TestLongMessageBehindConnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broker := newSlowBroker()
		lobby := new(session.Lobby)
		b := newBackEnd(t, Config{Hub: hub.New(broker, hub.Config{}), Lobby: lobby})
		before, r := new(conversation), new(record)
		before.start(t.Context(), b.Handler, jsonCodec{}, r)
		before.receive(t.Context(), []byte(`{"id":1,"connect":{"subscriptions":[{"channel":"news"}]}}`))
		synctest.Wait()

		c, r := new(conversation), new(record)
		c.start(t.Context(), b.Handler, jsonCodec{}, r)
		c.receive(t.Context(), fmt.Appendf(nil, `{"id":1,"connect":{"session":%q}}`, before.current().ID()))
		taken := make(chan bool, 1)
		go func() { taken <- c.receive(t.Context(), []byte(`{"id":2,"ping":{`+strings.Repeat(" ", maxEarly)+`}}`)) }()
		synctest.Wait()
		close(broker.gate)
		if !<-taken {
			t.Error("receive behind connect = false")
		}
		synctest.Wait()
		if got := r.messages(); len(got) != 2 || got[1] != `{"id":2,"ping":{}}` {
			t.Errorf("messages %v, cause %v, want the reply to ping", got, c.current().Cause())
		}
		_ = c.lost(context.Canceled)
		_ = before.lost(context.Canceled)
		lobby.Close()
	})
}

// Commands wait for the ones before them. When many wait no more is taken, until there
// is room; nobody waits for a client that has gone.
//
// Security 5.
func TestBackPressure(t *testing.T) {
	many := [][]byte{publishes(10, 128), publishes(200, 128)}
	var long [][]byte
	for id := range 5 {
		long = append(long, fmt.Appendf(nil, `{"id":%d,"publish":{"channel":"news","data":"%s"}}`, id+10, strings.Repeat("x", 60_000)))
	}
	for _, c := range []struct {
		messages [][]byte
		gone     bool
	}{{many, false}, {many, true}, {long, false}, {long, true}} {
		messages, gone := c.messages, c.gone
		synctest.Test(t, func(t *testing.T) {
			broker := newSlowBroker()
			b := newBackEnd(t, Config{Hub: hub.New(broker, hub.Config{})})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			c, r := talk(ctx, b)
			c.receive(ctx, publishes(2, 1)) // is carried out, and waits for the broker
			synctest.Wait()
			for _, m := range messages {
				if !c.receive(ctx, m) {
					t.Fatal("receive = false")
				}
			}
			taken := make(chan bool, 1)
			go func() { taken <- c.receive(ctx, []byte(`{"id":1000,"ping":{}}`)) }()
			synctest.Wait()
			select {
			case <-taken:
				t.Error("a command was taken while too many waited")
			default:
			}
			if gone {
				cancel()
			} else {
				close(broker.gate)
			}
			if got := <-taken; got == gone {
				t.Errorf("receive = %v, want %v", got, !gone)
			}
			synctest.Wait()
			if last := r.messages()[len(r.messages())-1]; !gone && last != `{"id":1000,"ping":{}}` {
				t.Errorf("%d messages, the last is %s, want the reply to ping behind all others", len(r.messages()), last)
			}
			_ = c.lost(context.Canceled) // as the connection would have told
			if n := b.Sessions.Len(); n != 0 {
				t.Errorf("%d sessions are left", n)
			}
		})
	}
}

// Whoever breaks the rules is answered what came before, and nothing behind it
// is carried out, in the same message or a later one.
//
// Security 15.
func TestNothingIsCarriedOutBehindTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackEnd(t, Config{})
		c, r := talk(t.Context(), b)
		c.receive(t.Context(), []byte(`[{"id":2,"publish":{"channel":"news","data":1}},{"id":2,"ping":{}},{"id":3,"publish":{"channel":"news","data":2}}]`))
		c.receive(t.Context(), publishes(4, 3))
		synctest.Wait()
		if c.receive(t.Context(), publishes(8, 1)) {
			t.Error("receive = true behind the end")
		}
		if cause := c.lost(context.Canceled); cause != IDNotRising || r.cause != IDNotRising {
			t.Errorf("ended with %v, the client was told %v, want %v", cause, r.cause, IDNotRising)
		}
		if got := r.messages(); len(got) != 2 || !strings.HasPrefix(got[1], `{"id":2,"publish":`) {
			t.Errorf("messages = %v, want two replies", got)
		}
		done, err := b.Hub.Publish(t.Context(), hub.Message{Channel: "news", Data: []byte("1")}, nil)
		if err != nil || done.Offset != 2 {
			t.Errorf("the next publication = %+v, %v, want offset 2: one before it", done, err)
		}
	})
}

// A connection whose client does nothing has no goroutine, with one that waits for
// the broker beside it.
func TestIdleConnectionsHaveNoGoroutine(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("events need a poller, which is there on Linux alone")
	}
	broker := newSlowBroker()
	b := newBackEnd(t, Config{Hub: hub.New(broker, hub.Config{})})
	url := b.listen(t)
	var peers []peer
	for range 20 {
		p := dial(t, url)
		p.connect()
		p.send(`{"id":2,"subscribe":{"channel":"news"}}`)
		p.receive()
		peers = append(peers, p)
	}
	busy := dial(t, url)
	busy.connect()
	busy.send(`{"id":2,"publish":{"channel":"news","data":1}}`)
	id := 3
	for n := goroutines("(*conversation)"); n != 1 || goroutines("native.(*Handler)") > 0; n = goroutines("(*conversation)") {
		// Each round takes as long as a message there and back.
		for _, p := range peers {
			p.send(fmt.Sprintf(`{"id":%d,"ping":{}}`, id))
			p.receive()
		}
		if id++; id > 200 {
			t.Fatalf("%d goroutines carry out commands, %d serve connections; want 1 and 0", n, goroutines("native.(*Handler)"))
		}
	}
	close(broker.gate)
	busy.receive()
}

// goroutines returns how many goroutines are inside of a function.
func goroutines(function string) (n int) {
	stacks := make([]byte, 4<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	for g := range strings.SplitSeq(string(stacks), "\n\n") {
		if strings.Contains(g, function) && !strings.Contains(g, "runtime.Stack") {
			n++
		}
	}
	return n
}

// A session is resumed while its connection still lives: that one ends. A client that
// has said goodbye cannot come back.
func TestTakeOverAndLeave(t *testing.T) {
	lobby := &session.Lobby{Time: time.Minute}
	defer lobby.Close()
	b := newBackEnd(t, Config{Lobby: lobby, Node: "n1"})
	url := b.listen(t)
	resume := func(id string) (p peer, reply any) {
		p = dial(t, url)
		p.send(`{"id":1,"connect":{"session":"` + id + `"}}`)
		return p, jsonOf(t, []byte(p.receive()))
	}
	member := func(reply any, name string) any { return reply.(map[string]any)["connect"].(map[string]any)[name] }

	first, reply := resume("")
	id := member(reply, "session").(string)
	second, again := resume(id)
	if member(again, "session") != id || member(again, "client") != member(reply, "client") || member(again, "resumed") != true {
		t.Errorf("the reply to resuming is %v, want the identity of %v", again, reply)
	}
	if _, closed := first.end(); closed.Code != TakenOver.Code {
		t.Errorf("the connection before was closed with %v, want 4103", closed)
	}
	if err := second.Close(websocket.CloseNormal, ""); err != nil {
		t.Fatal(err)
	}
	_, third := resume(id)
	if member(third, "session") == id || member(third, "resumed") != nil {
		t.Errorf("the reply to resuming a session that was left is %v, want a new one", third)
	}
}

// A page is no longer than what a client's queue holds.
func TestPagesFitTheQueue(t *testing.T) {
	full := hub.Options{History: 100, HistoryTime: time.Minute, Presence: true}
	h := hub.New(memory.New(memory.Config{}), hub.Config{Default: full})
	b := newBackEnd(t, Config{Hub: h, MaxQueue: 100_000})
	info := []byte(`"` + strings.Repeat("x", 1000) + `"`)
	for i := range 100 {
		if _, err := h.Publish(t.Context(), hub.Message{Channel: "news", Data: []byte(`"` + strings.Repeat("x", 5000) + `"`)}, nil); err != nil {
			t.Fatal(err)
		}
		if err := h.Enter(t.Context(), "news", hub.Member{Client: fmt.Sprintf("c%03d", i), Info: info}); err != nil {
			t.Fatal(err)
		}
	}
	p := dial(t, b.listen(t))
	p.connect()
	for i, c := range []struct{ command, member string }{{"history", "publications"}, {"presence", "members"}} {
		p.send(fmt.Sprintf(`{"id":%d,"%s":{"channel":"news"}}`, i+2, c.command))
		text := p.receive()
		page := jsonOf(t, []byte(text)).(map[string]any)[c.command].(map[string]any)
		if n := len(page[c.member].([]any)); page["more"] != true || n < 2 || n >= 100 || len(text) > 50_000 {
			t.Errorf("%s: %d in %d bytes, more is %v, want a part", c.command, n, len(text), page["more"])
		}
	}
}
