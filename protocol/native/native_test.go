package native

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"

	"github.com/seed-15847954/ropewalk/broker/memory"
	"github.com/seed-15847954/ropewalk/hub"
	"github.com/seed-15847954/ropewalk/session"
	"github.com/seed-15847954/ropewalk/websocket"
	"github.com/seed-15847954/ropewalk/websocket/wstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A counter is an Observer that remembers.
type counter struct {
	mu                   sync.Mutex
	opened               int
	closed               []uint16
	refused              []int
	ended                chan struct{} // gets a value for each of closed
	received, sent       int
	receivedLen, sentLen int
}

func (c *counter) do(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
}

func (c *counter) Opened() { c.do(func() { c.opened++ }) }
func (c *counter) Closed(code uint16) {
	c.do(func() { c.closed = append(c.closed, code) })
	c.ended <- struct{}{}
}
func (c *counter) Refused(status int) { c.do(func() { c.refused = append(c.refused, status) }) }
func (c *counter) Received(n int)     { c.do(func() { c.received++; c.receivedLen += n }) }
func (c *counter) Sent(n int)         { c.do(func() { c.sent++; c.sentLen += n }) }

// A backEnd is a handler with what stands behind it.
type backEnd struct {
	*Handler
	counter *counter
}

func newBackEnd(t *testing.T, config Config) *backEnd {
	t.Helper()
	counter := &counter{ended: make(chan struct{}, 1000)}
	if config.Hub == nil {
		config.Hub = hub.New(memory.New(memory.Config{}), hub.Config{})
	}
	config.Sessions = new(session.Set)
	config.Observer = counter
	config.Log = slog.New(slog.DiscardHandler)
	h, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	return &backEnd{h, counter}
}

// listen serves the WebSocket on a real socket until the test ends, and returns its URL.
func (b *backEnd) listen(t *testing.T) string {
	t.Helper()
	return "ws" + strings.TrimPrefix(b.serveRoutes(t), "http") + "/connection/websocket"
}

// serveRoutes serves everything and returns the URL that the paths of the routes go behind.
func (b *backEnd) serveRoutes(t *testing.T) string {
	t.Helper()
	srv := httptest.NewServer(b.mux())
	t.Cleanup(func() {
		defer srv.Close()
		defer b.Wait()
		if err := b.Sessions.Drain(context.Background()); err != nil {
			t.Errorf("Drain = %v", err)
		}
	})
	return srv.URL
}

func (b *backEnd) mux() *http.ServeMux {
	mux := http.NewServeMux()
	for _, r := range b.Routes() {
		mux.Handle(r.Pattern, r.Handler)
	}
	return mux
}

// pipe serves one connection in memory, for tests inside a synctest bubble. The
// returned channel is closed when the handler has returned.
func (b *backEnd) pipe() (*websocket.Conn, <-chan struct{}) {
	client, conn := wstest.Pipe(websocket.Params{Limits: b.accept.Limits, Queue: b.accept.Queue})
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.connections.Add(1)
		ended := make(chan struct{})
		b.serve(conn, ended)
		<-ended
		conn.CloseNow()
	}()
	return client, done
}

// A peer is a client that writes what it is told, and reads.
type peer struct {
	*websocket.Conn
	t *testing.T
}

func dial(t *testing.T, url string) peer {
	t.Helper()
	return dialAs(t, url, Subprotocol)
}

func dialAs(t *testing.T, url, subprotocol string) peer {
	t.Helper()
	conn, _, err := websocket.Dial(t.Context(), url, &websocket.DialOptions{Subprotocols: []string{subprotocol}})
	if err != nil {
		t.Fatalf("Dial = %v", err)
	}
	t.Cleanup(func() { conn.CloseNow() })
	return peer{conn, t}
}

func (p peer) send(text string) {
	p.t.Helper()
	if err := p.Write(p.t.Context(), websocket.Text, []byte(text)); err != nil {
		p.t.Fatalf("Write(%.100s) = %v", text, err)
	}
}

func (p peer) receive() string {
	p.t.Helper()
	typ, b, err := p.Read(p.t.Context())
	if err != nil || typ != websocket.Text {
		p.t.Fatalf("Read = %v message, %v", typ, err)
	}
	return string(b)
}

// end reads up to the end of the connection and returns the last message and the
// close.
func (p peer) end() (last string, closed *websocket.CloseError) {
	p.t.Helper()
	for {
		_, b, err := p.Read(p.t.Context())
		if err == nil {
			last = string(b)
			continue
		}
		if !errors.As(err, &closed) {
			p.t.Fatalf("Read = %v, want the end of the connection", err)
		}
		return last, closed
	}
}

func (p peer) connect() {
	p.t.Helper()
	p.send(`{"id":1,"connect":{}}`)
	if got := p.receive(); !strings.HasPrefix(got, `{"id":1,"connect":{"session":"`) {
		p.t.Fatalf("reply to connect = %s", got)
	}
}

// A client that offers nothing speaks the protocol, too.
func TestSubprotocol(t *testing.T) {
	url := newBackEnd(t, Config{}).listen(t)
	for _, c := range []struct {
		offered []string
		want    string
	}{
		{nil, ""},
		{[]string{Subprotocol}, Subprotocol},
		{[]string{"ropewalk.v9.json", Subprotocol}, Subprotocol},
	} {
		conn, _, err := websocket.Dial(t.Context(), url, &websocket.DialOptions{Subprotocols: c.offered})
		if err != nil {
			t.Fatal(err)
		}
		if got := conn.Subprotocol(); got != c.want {
			t.Errorf("offered %q: Subprotocol() = %q, want %q", c.offered, got, c.want)
		}
		peer{conn, t}.connect()
		conn.CloseNow()
	}
}

// The first message must be connect, whatever else it could be.
//
// Security 15.
func TestCommandBeforeConnect(t *testing.T) {
	url := newBackEnd(t, Config{}).listen(t)
	for _, message := range []string{
		`{"id":1,"subscribe":{"channel":"news"}}`,
		`{"id":1,"unsubscribe":{"channel":"news"}}`,
		`{"id":1,"publish":{"channel":"news","data":1}}`,
		`{"id":1,"ping":{}}`,
		`{"id":1,"no such command":{}}`,
		`{"id":1,"subscribe":{}}`,
	} {
		p := dial(t, url)
		p.send(message)
		last, closed := p.end()
		if closed.Code != 4101 || !strings.HasPrefix(last, `{"disconnect":{"code":4101,`) {
			t.Errorf("%s: last message %s, closed with %v, want 4101", message, last, closed)
		}
	}
}

// What is no command ends the connection, and that connection alone.
//
// Security 8.
func TestBadMessage(t *testing.T) {
	url := newBackEnd(t, Config{}).listen(t)
	other := dial(t, url)
	other.connect()
	other.send(`{"id":2,"subscribe":{"channel":"news"}}`)
	other.receive()
	id := 3
	for _, c := range []struct {
		typ     websocket.MessageType
		message string
		want    websocket.CloseCode
	}{
		{websocket.Text, ``, 4100},
		{websocket.Text, `null`, 4100},
		{websocket.Text, `[]`, 4100},
		{websocket.Text, `{"id":2,"ping":{}`, 4100},
		{websocket.Text, `{"id":2,"ping":{}}}`, 4100},
		{websocket.Text, `{"id":2,"ping":{}}{"id":3,"ping":{}}`, 4100},
		{websocket.Text, `{"id":2,"ping":{},"subscribe":{"channel":"a"}}`, 4100},
		{websocket.Text, `{"ping":{}}`, 4100},
		{websocket.Text, `{"id":2}`, 4100},
		{websocket.Text, `{"id":"2","ping":{}}`, 4100},
		{websocket.Text, `{"id":0,"ping":{}}`, 4100},
		{websocket.Text, `{"id":2,"id":3,"ping":{}}`, 4100},
		{websocket.Text, strings.Repeat("[", 1000), 4100},
		{websocket.Text, `{"id":2,"publish":{"channel":"a","data":` + strings.Repeat("[", 63) + strings.Repeat("]", 63) + `}}`, 4100},
		{websocket.Text, `{"id":1,"ping":{}}`, 4102},
		{websocket.Binary, `{"id":2,"ping":{}}`, websocket.CloseUnsupportedData},
		{websocket.Text, `"` + strings.Repeat("x", 64<<10*4/3+maxEnvelope) + `"`, websocket.CloseMessageTooBig},
	} {
		p := dial(t, url)
		p.connect()
		if err := p.Write(t.Context(), c.typ, []byte(c.message)); err != nil {
			t.Fatal(err)
		}
		if _, closed := p.end(); closed.Code != c.want || !closed.Remote {
			t.Errorf("%.60s: closed with %v, want %v", c.message, closed, c.want)
		}
		other.send(`{"id":` + strconv.Itoa(id) + `,"ping":{}}`)
		other.receive()
		id++
	}
	if other.Context().Err() != nil {
		t.Errorf("another client was closed: %v", context.Cause(other.Context()))
	}
}

// A client may say little before it has said connect.
//
// Security 5.
func TestFirstMessageIsBounded(t *testing.T) {
	url := newBackEnd(t, Config{}).listen(t)
	most := `{"id":1,"connect":{}` + strings.Repeat(" ", maxEarly-21) + "}"
	p := dial(t, url)
	p.send(most)
	if got := p.receive(); !strings.Contains(got, "session") {
		t.Errorf("connect in %d bytes = %s, want a session", len(most), got)
	}
	p = dial(t, url)
	p.send(" " + most)
	if _, closed := p.end(); closed.Code != websocket.CloseMessageTooBig {
		t.Errorf("connect in %d bytes: closed with %v, want 1009", len(most)+1, closed)
	}
}

// Security 5.
func TestConnectTimeout(t *testing.T) {
	for _, c := range []struct{ name, first string }{
		{"silence", ""},
		{"half a message", `{"id":1,`},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBackEnd(t, Config{})
				conn, done := b.pipe()
				defer conn.CloseNow()
				if c.first != "" {
					w, err := conn.Writer(t.Context(), websocket.Text)
					if err != nil {
						t.Fatal(err)
					}
					if _, err := io.WriteString(w, c.first); err != nil {
						t.Fatal(err)
					}
				}
				last, closed := peer{conn, t}.end()
				if closed.Code != 4001 || !strings.HasPrefix(last, `{"disconnect":{"code":4001,"reason":"no connect in time","retry":true,"after":`) {
					t.Errorf("last message %s, closed with %v, want 4001", last, closed)
				}
				<-done
			})
		})
	}
}

// A client that does not read is closed when its queue is full; the others
// get everything.
func TestSlowConsumer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBackEnd(t, Config{MaxQueue: 200_000})
		slow, slowDone := b.pipe()
		defer slow.CloseNow()
		fast, fastDone := b.pipe()
		defer fast.CloseNow()
		for _, conn := range []*websocket.Conn{slow, fast} {
			p := peer{conn, t}
			p.connect()
			p.send(`{"id":2,"subscribe":{"channel":"news"}}`)
			p.receive()
		}
		data := []byte(`"` + strings.Repeat("x", 50_000) + `"`)
		reader := peer{fast, t}
		for range 20 {
			if _, err := b.Hub.Publish(t.Context(), hub.Message{Channel: "news", Data: data}, nil); err != nil {
				t.Fatal(err)
			}
			reader.receive()
		}
		<-slowDone
		if got := b.Hub.Subscribers("news"); got != 1 {
			t.Errorf("subscribers = %d, want the fast one alone", got)
		}
		if err := b.Sessions.Drain(t.Context()); err != nil {
			t.Errorf("Drain = %v", err)
		}
		if _, closed := reader.end(); closed.Code != websocket.CloseGoingAway {
			t.Errorf("the fast one was closed with %v, want 1001", closed)
		}
		<-fastDone
	})
}

// A subscriber is told of its code when it begins to read again.
func TestSlowConsumerIsTold(t *testing.T) {
	b := newBackEnd(t, Config{MaxQueue: 100_000})
	p := dial(t, b.listen(t))
	p.connect()
	p.send(`{"id":2,"subscribe":{"channel":"news"}}`)
	p.receive()
	data := []byte(`"` + strings.Repeat("x", 50_000) + `"`)
	for range 400 { // more than the kernel's buffers hold
		if _, err := b.Hub.Publish(t.Context(), hub.Message{Channel: "news", Data: data}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if _, closed := p.end(); closed.Code != 4000 || closed.Reason != "slow consumer" {
		t.Errorf("closed with %v, want 4000 slow consumer", closed)
	}
}

func TestObserver(t *testing.T) {
	b := newBackEnd(t, Config{})
	url := b.listen(t)
	p := dial(t, url)
	p.connect()
	if err := p.Close(websocket.CloseNormal, ""); err != nil {
		t.Errorf("Close = %v", err)
	}
	if _, _, err := websocket.Dial(t.Context(), url, &websocket.DialOptions{
		HTTPHeader: map[string][]string{"Origin": {"https://evil.example"}},
	}); err == nil {
		t.Error("Dial from another origin succeeded")
	}
	<-b.counter.ended
	b.counter.do(func() {
		c := b.counter
		if c.opened != 1 || len(c.refused) != 1 || c.refused[0] != 403 || c.closed[0] != 1000 {
			t.Errorf("opened %d, refused %v, closed %v, want 1, [403], [1000]", c.opened, c.refused, c.closed)
		}
		if c.received != 1 || c.receivedLen != 21 || c.sent != 1 || c.sentLen != 133 {
			t.Errorf("received %d (%d bytes), sent %d (%d bytes), want 1 (21) and 1 (133)", c.received, c.receivedLen, c.sent, c.sentLen)
		}
	})
}

func TestBadOrigins(t *testing.T) {
	if _, err := New(Config{Origins: []string{"https://"}}); err == nil {
		t.Error("New with an origin without host = nil, want an error")
	}
}
