package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/seed-15847954/ropewalk/client"
	"github.com/seed-15847954/ropewalk/websocket"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A server plays a server's part: each connection is for the next of the scripts.
type server struct {
	t        *testing.T
	url      string
	encoding client.Encoding
	scripts  chan func(p *player)
}

// inBoth runs a test in both encodings.
func inBoth(t *testing.T, test func(t *testing.T, e client.Encoding)) {
	for _, e := range []client.Encoding{client.JSON, client.Protobuf} {
		t.Run(string(e), func(t *testing.T) { test(t, e) })
	}
}

func newServer(t *testing.T, e client.Encoding, scripts ...func(p *player)) *server {
	t.Helper()
	s := &server{t: t, encoding: e, scripts: make(chan func(*player), len(scripts))}
	for _, script := range scripts {
		s.scripts <- script
	}
	srv := httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(srv.Close)
	s.url = "ws" + strings.TrimPrefix(srv.URL, "http")
	return s
}

func (s *server) serve(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{string(s.encoding)}})
	if err != nil {
		s.t.Errorf("Accept = %v", err)
		return
	}
	defer conn.CloseNow()
	select {
	case script := <-s.scripts:
		script(&player{s.t, conn, s.encoding})
	default:
		s.t.Error("one connection too many")
	}
}

// A player is one connection of a server. Scripts are in JSON, whatever the encoding.
type player struct {
	t        *testing.T
	conn     *websocket.Conn
	encoding client.Encoding
}

// expect reads a command, wants it to be this one, and returns its id.
func (p *player) expect(name, body string) uint64 {
	p.t.Helper()
	_, b, err := p.conn.Read(context.Background())
	if err != nil {
		p.t.Errorf("Read = %v, want the command %s", err, name)
		return 0
	}
	if p.encoding == client.Protobuf {
		return expectProto(p.t, b, name, body)
	}
	var got map[string]json.RawMessage
	if err := json.Unmarshal(b, &got); err != nil {
		p.t.Errorf("%s is not JSON: %v", b, err)
	}
	if string(got[name]) != body {
		p.t.Errorf("command %s, want %s %s", b, name, body)
	}
	var id uint64
	if err := json.Unmarshal(got["id"], &id); err != nil {
		p.t.Errorf("%s has no id: %v", b, err)
	}
	return id
}

// answer expects a command and sends its reply.
func (p *player) answer(name, body, reply string) {
	p.t.Helper()
	p.send(fmt.Sprintf(`{"id":%d,%q:%s}`, p.expect(name, body), name, reply))
}

func (p *player) send(text string) {
	p.t.Helper()
	typ, b := websocket.Text, []byte(text)
	if p.encoding == client.Protobuf {
		typ, b = websocket.Binary, eventProto(p.t, text)
	}
	if err := p.conn.Write(context.Background(), typ, b); err != nil {
		p.t.Errorf("Write(%s) = %v", text, err)
	}
}

func (p *player) publish(offset, prev uint64) {
	p.t.Helper()
	p.send(fmt.Sprintf(`{"publication":{"channel":"news","epoch":"e","offset":%d,"prev":%d,"time":1,"data":%d}}`, offset, prev, offset))
}

// wait blocks until the client ends the connection.
func (p *player) wait() {
	_, _, err := p.conn.Read(context.Background())
	if closed, ok := errors.AsType[*websocket.CloseError](err); !ok || closed.Code != websocket.CloseNormal {
		p.t.Errorf("Read = %v, want the end by the client", err)
	}
}

// newClient returns a client that is connected.
func newClient(t *testing.T, s *server, o client.Options) *client.Client {
	t.Helper()
	up, told := make(chan client.Connected, 9), o.OnConnected
	o.OnConnected = func(c client.Connected) {
		if told != nil {
			told(c)
		}
		up <- c
	}
	c := start(t, s, o)
	<-up
	return c
}

func start(t *testing.T, s *server, o client.Options) *client.Client {
	t.Helper()
	o.Encoding, o.MinBackoff, o.MaxBackoff = s.encoding, time.Nanosecond, time.Millisecond
	c, err := client.New(s.url, &o)
	if err != nil {
		t.Fatalf("New = %v", err)
	}
	t.Cleanup(c.Close)
	return c
}

func subscribe(t *testing.T, c *client.Client, o *client.SubscribeOptions) *client.Subscription {
	t.Helper()
	sub, err := c.Subscribe("news", o)
	if err != nil {
		t.Fatalf("Subscribe = %v", err)
	}
	return sub
}

// describe shows an event in one word.
func describe(e client.Event) string {
	switch e := e.(type) {
	case *client.Subscribed:
		return fmt.Sprintf("subscribed:%d:%v", e.Position.Offset, e.Recovered)
	case *client.Publication:
		return fmt.Sprintf("%s:%d", e.Data, e.Offset)
	case *client.Skipped:
		return fmt.Sprintf("skipped:%d-%d:%s", e.Prev, e.Offset, e.Reason)
	case *client.Lost:
		return fmt.Sprintf("lost:%d:%s", e.Since.Offset, e.Reason)
	case *client.Joined:
		return "joined:" + e.Member.Client
	case *client.Left:
		return "left:" + e.Member.Client
	}
	return fmt.Sprintf("%T", e)
}

// want reads events and compares them.
func want(t *testing.T, sub *client.Subscription, events ...string) {
	t.Helper()
	for i, w := range events {
		e, err := sub.Next(t.Context())
		if err != nil {
			t.Fatalf("Next = %v, want %s", err, w)
		}
		if got := describe(e); got != w {
			t.Fatalf("event %d is %s, want %s", i, got, w)
		}
	}
}

const connected = `{"session":"n.s1","client":"c1","node":"n","ping":25000}`

func TestSubscribe(t *testing.T) { inBoth(t, testSubscribe) }

func testSubscribe(t *testing.T, e client.Encoding) {
	s := newServer(t, e, func(p *player) {
		p.answer("connect", `{}`, connected)
		p.answer("subscribe", `{"channel":"news","latest":2,"joins":true}`, `{"position":{"epoch":"e","offset":3}}`)
		p.publish(4, 3)
		p.send(`{"join":{"channel":"news","member":{"client":"x"}}}`)
		p.send(`{"skip":{"channel":"news","epoch":"e","offset":8,"prev":4,"reason":"dropped"}}`)
		p.send(`{"leave":{"channel":"news","member":{"client":"x"}}}`)
		p.send(`{"something":{"new":true}}`)
		p.publish(9, 8)
		p.wait()
	})
	up := make(chan client.Connected, 1)
	c := newClient(t, s, client.Options{OnConnected: func(c client.Connected) { up <- c }})
	if got := <-up; got.Client != "c1" || got.Node != "n" || got.Resumed {
		t.Errorf("OnConnected(%+v)", got)
	}
	sub := subscribe(t, c, &client.SubscribeOptions{Latest: 2, Joins: true})
	want(t, sub, "subscribed:3:false", "4:4", "joined:x", "skipped:4-8:dropped", "left:x", "9:9")
	if pos, ok := sub.Position(); !ok || pos != (client.Position{Epoch: "e", Offset: 9}) {
		t.Errorf("Position() = %v, %v", pos, ok)
	}
	if _, err := c.Subscribe("news", nil); !errors.Is(err, client.ErrSubscribed) {
		t.Errorf("Subscribe twice = %v, want ErrSubscribed", err)
	}
	c.Close()
	if _, err := sub.Next(t.Context()); !errors.Is(err, client.ErrClosed) {
		t.Errorf("Next after Close = %v, want ErrClosed", err)
	}
}

// A lost connection is followed by another one, which goes on where the last one ended.
func TestRecovers(t *testing.T) { inBoth(t, testRecovers) }

func testRecovers(t *testing.T, e client.Encoding) {
	s := newServer(t, e,
		func(p *player) {
			p.answer("connect", `{}`, connected)
			p.answer("subscribe", `{"channel":"news"}`, `{"position":{"epoch":"e","offset":3}}`)
			p.publish(4, 3)
			p.conn.CloseNow()
		},
		func(p *player) {
			p.answer("connect", `{"session":"n.s1","subscriptions":[{"channel":"news","from":{"epoch":"e","offset":4}}]}`,
				`{"session":"n.s1","client":"c1","resumed":true,"subscriptions":[{"subscribe":{"position":{"epoch":"e","offset":4},"recovered":true}}]}`)
			p.publish(7, 4)
			p.publish(8, 7)
			p.send(`{"disconnect":{"code":1001,"reason":"server is shutting down","retry":true,"after":1}}`)
			p.conn.Close(1001, "")
		},
		func(p *player) {
			p.answer("connect", `{"session":"n.s1","subscriptions":[{"channel":"news","from":{"epoch":"e","offset":8}}]}`,
				`{"session":"n.s2","client":"c2","subscriptions":[{"subscribe":{"position":{"epoch":"f","offset":2},"recovered":false,"reason":"epoch"}}]}`)
			p.send(`{"publication":{"channel":"news","epoch":"f","offset":3,"prev":2,"time":1,"data":"x"}}`)
			p.wait()
		})
	c := newClient(t, s, client.Options{})
	sub := subscribe(t, c, nil)
	want(t, sub, "subscribed:3:false", "4:4", "subscribed:4:true", "7:7", "8:8", "lost:8:epoch", "subscribed:2:false", `"x":3`)
	c.Close()
}

// What the program ends while the answer to connect is to come, the server has to be told
// of, before it hears of a new subscription to the same channel.
func TestUnsubscribeWhileConnecting(t *testing.T) { inBoth(t, testUnsubscribeWhileConnecting) }

func testUnsubscribeWhileConnecting(t *testing.T, e client.Encoding) {
	asked, ended := make(chan struct{}), make(chan struct{})
	s := newServer(t, e,
		func(p *player) {
			p.answer("connect", `{}`, connected)
			p.answer("subscribe", `{"channel":"news"}`, `{"position":{"epoch":"e","offset":3}}`)
			p.conn.CloseNow()
		},
		func(p *player) {
			id := p.expect("connect", `{"session":"n.s1","subscriptions":[{"channel":"news","from":{"epoch":"e","offset":3}}]}`)
			close(asked)
			<-ended
			p.send(fmt.Sprintf(`{"id":%d,"connect":{"session":"n.s1","client":"c1","resumed":true,"subscriptions":[{"subscribe":{"position":{"epoch":"e","offset":3},"recovered":true}}]}}`, id))
			p.answer("unsubscribe", `{"channel":"news"}`, `{}`)
			p.answer("subscribe", `{"channel":"news"}`, `{"position":{"epoch":"e","offset":5}}`)
			p.wait()
		})
	c := newClient(t, s, client.Options{})
	sub := subscribe(t, c, nil)
	want(t, sub, "subscribed:3:false")
	<-asked
	if err := sub.Unsubscribe(t.Context()); err != nil {
		t.Errorf("Unsubscribe = %v", err)
	}
	sub = subscribe(t, c, nil)
	close(ended)
	want(t, sub, "subscribed:5:false")
	c.Close()
}

// The server's end of a subscription that the program has ended itself meanwhile is not that of
// the next one.
func TestLateEnd(t *testing.T) { inBoth(t, testLateEnd) }

func testLateEnd(t *testing.T, e client.Encoding) {
	s := newServer(t, e, func(p *player) {
		p.answer("connect", `{}`, connected)
		p.answer("subscribe", `{"channel":"news"}`, `{"position":{"epoch":"e","offset":3}}`)
		id := p.expect("unsubscribe", `{"channel":"news"}`)
		again := p.expect("subscribe", `{"channel":"news"}`)
		for _, retry := range []bool{true, false} {
			p.send(fmt.Sprintf(`{"unsubscribed":{"channel":"news","code":"insufficient_state","message":"m","retry":%v}}`, retry))
		}
		p.send(fmt.Sprintf(`{"id":%d,"error":{"code":"not_subscribed","message":"m","retry":false}}`, id))
		p.send(fmt.Sprintf(`{"id":%d,"subscribe":{"position":{"epoch":"e","offset":5}}}`, again))
		p.publish(6, 5)
		p.wait()
	})
	c := newClient(t, s, client.Options{})
	sub := subscribe(t, c, nil)
	want(t, sub, "subscribed:3:false")
	if err := sub.Unsubscribe(t.Context()); err != nil {
		t.Errorf("Unsubscribe = %v", err)
	}
	want(t, subscribe(t, c, nil), "subscribed:5:false", "6:6")
	c.Close()
}

// A broken chain is mended by subscribing anew from the last position.
func TestBrokenChain(t *testing.T) { inBoth(t, testBrokenChain) }

func testBrokenChain(t *testing.T, e client.Encoding) {
	s := newServer(t, e, func(p *player) {
		p.answer("connect", `{}`, connected)
		p.answer("subscribe", `{"channel":"news"}`, `{"position":{"epoch":"e","offset":3}}`)
		p.publish(4, 3)
		p.publish(6, 5)
		p.publish(7, 6)
		p.answer("unsubscribe", `{"channel":"news"}`, `{}`)
		p.answer("subscribe", `{"channel":"news","from":{"epoch":"e","offset":4}}`, `{"position":{"epoch":"e","offset":4},"recovered":true}`)
		p.publish(5, 4)
		p.publish(6, 5)
		p.send(`{"unsubscribed":{"channel":"news","code":"insufficient_state","message":"m","retry":true}}`)
		p.answer("subscribe", `{"channel":"news","from":{"epoch":"e","offset":6}}`, `{"position":{"epoch":"e","offset":9},"recovered":false,"reason":"trimmed"}`)
		p.send(`{"unsubscribed":{"channel":"news","code":"forbidden","message":"m","retry":false}}`)
		p.wait()
	})
	c := newClient(t, s, client.Options{})
	sub := subscribe(t, c, nil)
	want(t, sub, "subscribed:3:false", "4:4", "subscribed:4:true", "5:5", "6:6", "lost:6:trimmed", "subscribed:9:false")
	_, err := sub.Next(t.Context())
	if e, ok := errors.AsType[*client.Error](err); !ok || e.Code != "forbidden" {
		t.Errorf("Next = %v, want the server's error", err)
	}
	c.Close()
}

// A message is sent again with the same ID until its fate is known.
func TestPublishIsSentAgain(t *testing.T) { inBoth(t, testPublishIsSentAgain) }

func testPublishIsSentAgain(t *testing.T, e client.Encoding) {
	const body = `{"channel":"news","id":"m1","key":"k","tags":{"a":"<b>"},"data":{"x":"<&>"},"exclude_self":true}`
	s := newServer(t, e,
		func(p *player) {
			p.answer("connect", `{}`, connected)
			p.expect("publish", body)
			p.conn.CloseNow()
		},
		func(p *player) {
			p.answer("connect", `{"session":"n.s1"}`, connected)
			id := p.expect("publish", body)
			p.send(fmt.Sprintf(`{"id":%d,"error":{"code":"unavailable","message":"m","retry":true}}`, id))
			p.answer("publish", body, `{"position":{"epoch":"e","offset":5},"duplicate":true}`)
			id = p.expect("publish", `{"channel":"news","id":"m2","base64":"AAH/","content_type":"a/b"}`)
			p.send(fmt.Sprintf(`{"id":%d,"error":{"code":"data_too_big","message":"m","retry":false}}`, id))
			p.wait()
		})
	c := newClient(t, s, client.Options{})
	got, err := c.Publish(t.Context(), "news", []byte(`{"x": "<&>"}`), &client.PublishOptions{
		ID: "m1", Key: "k", Tags: map[string]string{"a": "<b>"}, ExcludeSelf: true,
	})
	if err != nil || !got.Duplicate || got.Offset != 5 || got.Epoch != "e" {
		t.Errorf("Publish = %+v, %v", got, err)
	}
	_, err = c.Publish(t.Context(), "news", []byte{0, 1, 255}, &client.PublishOptions{ID: "m2", ContentType: "a/b"})
	if e, ok := errors.AsType[*client.Error](err); !ok || e.Code != "data_too_big" {
		t.Errorf("Publish = %v, want the server's error", err)
	}
	if _, err := c.Publish(t.Context(), "news", []byte("no JSON"), nil); err == nil {
		t.Error("Publish of no JSON = nil, want an error")
	}
	c.Close()
}

// Who gives up on a message that was sent knows that it may have been taken.
func TestPublishIndeterminate(t *testing.T) { inBoth(t, testPublishIndeterminate) }

func testPublishIndeterminate(t *testing.T, e client.Encoding) {
	sent := make(chan struct{})
	s := newServer(t, e, func(p *player) {
		p.answer("connect", `{}`, connected)
		p.expect("publish", `{"channel":"news","id":"m1","data":1}`)
		close(sent)
		p.wait()
	})
	c := newClient(t, s, client.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-sent
		cancel()
	}()
	if _, err := c.Publish(ctx, "news", []byte("1"), &client.PublishOptions{ID: "m1"}); !errors.Is(err, client.ErrIndeterminate) {
		t.Errorf("Publish = %v, want ErrIndeterminate", err)
	}
	c.Close()
}

// What the server does not want to see again does not come back.
func TestDoesNotComeBack(t *testing.T) { inBoth(t, testDoesNotComeBack) }

func testDoesNotComeBack(t *testing.T, e client.Encoding) {
	for name, script := range map[string]func(p *player){
		"push": func(p *player) {
			p.answer("connect", `{}`, connected)
			p.send(`{"disconnect":{"code":4100,"reason":"bad message","retry":false}}`)
			p.conn.Close(4100, "bad message")
		},
		"code": func(p *player) {
			p.answer("connect", `{}`, connected)
			p.conn.Close(4100, "bad message")
		},
		"before the answer": func(p *player) {
			p.expect("connect", `{}`)
			p.send(`{"disconnect":{"code":4100,"reason":"bad message","retry":false}}`)
			p.conn.Close(4100, "bad message")
		},
	} {
		t.Run(name, func(t *testing.T) {
			down := make(chan time.Duration, 1)
			s := newServer(t, e, script)
			c := start(t, s, client.Options{OnDisconnected: func(_ error, next time.Duration) { down <- next }})
			if next := <-down; next >= 0 {
				t.Errorf("OnDisconnected(next %v), want a negative time", next)
			}
			_, err := c.Ping(t.Context())
			if d, ok := errors.AsType[*client.Disconnect](err); !ok || d.Code != 4100 {
				t.Errorf("Ping = %v, want the disconnect", err)
			}
			c.Close()
		})
	}
}

func TestQueries(t *testing.T) { inBoth(t, testQueries) }

func testQueries(t *testing.T, e client.Encoding) {
	s := newServer(t, e, func(p *player) {
		p.answer("connect", `{"info":{"name":"x"}}`, connected)
		p.answer("history", `{"channel":"news","from":{"epoch":"e","offset":3},"limit":2,"reverse":true}`,
			`{"top":{"epoch":"e","offset":9},"publications":[{"channel":"news","epoch":"e","offset":3,"prev":2,"time":5,"data":[1]}],"more":true}`)
		p.answer("presence", `{"channel":"news","after":"a","limit":1}`, `{"members":[{"client":"b","user":"u","info":{"x":1}}],"more":true}`)
		p.answer("presence_count", `{"channel":"news"}`, `{"clients":5,"users":3}`)
		p.answer("rpc", `{"method":"m","data":1}`, `{"base64":"AAE=","content_type":"a/b"}`)
		p.answer("ping", `{}`, `{}`)
		p.wait()
	})
	c := newClient(t, s, client.Options{Info: json.RawMessage(`{"name":"x"}`)})
	page, err := c.History(t.Context(), "news", client.HistoryQuery{From: &client.Position{Epoch: "e", Offset: 3}, Limit: 2, Reverse: true})
	if err != nil || page.Top.Offset != 9 || !page.More || len(page.Publications) != 1 || string(page.Publications[0].Data) != "[1]" {
		t.Errorf("History = %+v, %v", page, err)
	}
	members, more, err := c.Presence(t.Context(), "news", "a", 1)
	if err != nil || !more || len(members) != 1 || members[0].User != "u" || string(members[0].Info) != `{"x":1}` {
		t.Errorf("Presence = %+v, %v, %v", members, more, err)
	}
	if clients, users, err := c.PresenceCount(t.Context(), "news"); err != nil || clients != 5 || users != 3 {
		t.Errorf("PresenceCount = %d, %d, %v", clients, users, err)
	}
	if b, typ, err := c.Call(t.Context(), "m", []byte("1"), ""); err != nil || string(b) != "\x00\x01" || typ != "a/b" {
		t.Errorf("Call = %q, %q, %v", b, typ, err)
	}
	if _, err := c.Ping(t.Context()); err != nil {
		t.Errorf("Ping = %v", err)
	}
	c.Close()
}

// A full queue stops the reading from the server, but not while somebody waits for
// an answer.
func TestBackPressure(t *testing.T) { inBoth(t, testBackPressure) }

func testBackPressure(t *testing.T, e client.Encoding) {
	s := newServer(t, e, func(p *player) {
		p.answer("connect", `{}`, connected)
		p.answer("subscribe", `{"channel":"news"}`, `{"position":{"epoch":"e","offset":0}}`)
		for n := range uint64(20) {
			p.publish(n+1, n)
		}
		p.answer("ping", `{}`, `{}`)
		p.wait()
	})
	c := newClient(t, s, client.Options{Queue: 2})
	sub := subscribe(t, c, nil)
	want(t, sub, "subscribed:0:false")
	if _, err := c.Ping(t.Context()); err != nil {
		t.Errorf("Ping behind a full queue = %v", err)
	}
	for n := range 20 {
		want(t, sub, fmt.Sprintf("%d:%d", n+1, n+1))
	}
	c.Close()
}

func TestUnsubscribe(t *testing.T) { inBoth(t, testUnsubscribe) }

func testUnsubscribe(t *testing.T, e client.Encoding) {
	s := newServer(t, e, func(p *player) {
		p.answer("connect", `{}`, connected)
		p.answer("subscribe", `{"channel":"news"}`, `{"position":{"epoch":"e","offset":0}}`)
		p.answer("unsubscribe", `{"channel":"news"}`, `{}`)
		p.answer("subscribe", `{"pattern":"news"}`, `{}`)
		p.send(`{"publication":{"channel":"news","pattern":"news","epoch":"e","offset":7,"prev":6,"time":1,"data":1}}`)
		p.wait()
	})
	c := newClient(t, s, client.Options{})
	sub := subscribe(t, c, nil)
	want(t, sub, "subscribed:0:false")
	if err := sub.Unsubscribe(t.Context()); err != nil {
		t.Errorf("Unsubscribe = %v", err)
	}
	for e, err := range sub.Events(t.Context()) {
		t.Errorf("event %v, %v after Unsubscribe", e, err)
	}
	pattern := subscribe(t, c, &client.SubscribeOptions{Pattern: true})
	want(t, pattern, "subscribed:0:false", "1:7")
	c.Close()
}

func TestNewRefuses(t *testing.T) {
	for _, url := range []string{"", "http://a", "ws://", "://", "ws://a\n"} {
		if _, err := client.New(url, nil); err == nil {
			t.Errorf("New(%q) = nil, want an error", url)
		}
	}
	if _, err := client.New("ws://a", &client.Options{Encoding: "xml"}); err == nil {
		t.Error("New with an unknown encoding = nil, want an error")
	}
}

// A subscription of the server's is one like others: it goes on over the next connection.
func TestServerSubscribes(t *testing.T) { inBoth(t, testServerSubscribes) }

func testServerSubscribes(t *testing.T, e client.Encoding) {
	s := newServer(t, e,
		func(p *player) {
			p.answer("connect", `{}`, connected)
			p.send(`{"subscribed":{"channel":"news","position":{"epoch":"e","offset":3}}}`)
			p.publish(4, 3)
			p.conn.CloseNow()
		},
		func(p *player) {
			p.answer("connect", `{"session":"n.s1","subscriptions":[{"channel":"news","from":{"epoch":"e","offset":4}}]}`,
				`{"session":"n.s1","client":"c1","subscriptions":[{"subscribe":{"position":{"epoch":"e","offset":4},"recovered":true}}]}`)
			p.publish(5, 4)
			p.send(`{"unsubscribed":{"channel":"news","code":"unsubscribed","message":"m","retry":false}}`)
			p.send(`{"subscribed":{"pattern":"ne*"}}`)
			p.wait()
		})
	made := make(chan *client.Subscription, 2)
	c := newClient(t, s, client.Options{OnSubscribed: func(s *client.Subscription) { made <- s }})
	sub := <-made
	if sub.Channel() != "news" {
		t.Errorf("OnSubscribed(%q), want news", sub.Channel())
	}
	want(t, sub, "subscribed:3:false", "4:4", "subscribed:4:true", "5:5")
	if _, err := sub.Next(t.Context()); err == nil {
		t.Error("Next behind the end = nil, want the server's error")
	}
	want(t, <-made, "subscribed:0:false")
	c.Close()
}

// The server subscribes while the client asks for the same: the client's place counts.
func TestServerSubscribesFirst(t *testing.T) { inBoth(t, testServerSubscribesFirst) }

func testServerSubscribesFirst(t *testing.T, e client.Encoding) {
	s := newServer(t, e, func(p *player) {
		p.answer("connect", `{}`, connected)
		id := p.expect("subscribe", `{"channel":"news","from":{"epoch":"e","offset":2}}`)
		p.send(`{"subscribed":{"channel":"news","position":{"epoch":"e","offset":3}}}`)
		p.publish(4, 3)
		p.send(fmt.Sprintf(`{"id":%d,"error":{"code":"already_subscribed","message":"m","retry":false}}`, id))
		p.answer("unsubscribe", `{"channel":"news"}`, `{}`)
		p.answer("subscribe", `{"channel":"news","from":{"epoch":"e","offset":2}}`, `{"position":{"epoch":"e","offset":2},"recovered":true}`)
		p.publish(3, 2)
		p.publish(4, 3)
		p.wait()
	})
	c := newClient(t, s, client.Options{})
	sub := subscribe(t, c, &client.SubscribeOptions{From: &client.Position{Epoch: "e", Offset: 2}})
	want(t, sub, "subscribed:2:true", "3:3", "4:4")
	c.Close()
}
