package server

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15847954/ropewalk/websocket"
	"github.com/seed-15847954/ropewalk/websocket/wstest"
)

// A lobby is a listener whose connections stay in the process, so that the time in
// them is that of a synctest bubble.
type lobby struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *lobby) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *lobby) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *lobby) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 8000} }

// A bubble is a server inside a synctest bubble.
type bubble struct {
	*Server
	t      *testing.T
	lobby  *lobby
	log    *record
	stop   context.CancelFunc
	served chan error
	states chan http.ConnState // of connections that leave the HTTP server's care
}

func startBubble(t *testing.T, config Config) *bubble {
	t.Helper()
	b := &bubble{
		t:      t,
		lobby:  &lobby{conns: make(chan net.Conn), closed: make(chan struct{})},
		log:    new(record),
		served: make(chan error, 1),
		states: make(chan http.ConnState, 100),
	}
	srv, err := New(config, slog.New(slog.NewTextHandler(b.log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	srv.http.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed || state == http.StateHijacked {
			b.states <- state
		}
	}
	b.Server = srv
	ctx, stop := context.WithCancel(context.Background())
	b.stop = stop
	go func() { b.served <- srv.Serve(ctx, b.lobby) }()
	return b
}

// end stops the server and waits for it.
func (b *bubble) end() {
	b.t.Helper()
	b.stop()
	if err := <-b.served; err != nil {
		b.t.Errorf("Serve = %v", err)
	}
	synctest.Wait()
}

// dial returns the client's end of a connection. What is written to it waits
// until the server reads, up to 64 KiB.
func (b *bubble) dial() net.Conn {
	client, server := wstest.Streams()
	b.lobby.conns <- server
	return client
}

// trickle sends one byte a second until the connection ends or the test stops it.
func trickle(conn net.Conn, stop <-chan struct{}) {
	for {
		select {
		case <-time.After(time.Second):
		case <-stop:
			return
		}
		if _, err := io.WriteString(conn, "x"); err != nil {
			return
		}
	}
}

// However slowly a peer sends or reads, each step of a request ends in its time.
// Nobody else notices.
func TestSlowPeers(t *testing.T) {
	for _, c := range []struct {
		name   string
		starts string
		sends  bool // goes on with one byte a second
		reads  bool
		want   time.Duration
	}{
		{"says nothing", "", false, true, headerTime},
		{"sends its request line slowly", "GET /he", true, true, headerTime},
		{"sends its headers slowly", "GET /health HTTP/1.1\r\nHost: localhost\r\nX: ", true, true, headerTime},
		{"sends its handshake slowly", "GET /connection/websocket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nX: ", true, true, headerTime},
		{
			"sends its body slowly",
			"POST /api/publish HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{",
			true, true, readTime,
		},
		{
			"sends its chunks slowly",
			"POST /api/publish HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n100\r\n",
			true, true, readTime,
		},
		{"reads nothing", strings.Repeat("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", 50), false, false, writeTime},
		{"asks for nothing more", "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n", false, true, idleTime},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := startBubble(t, Config{})
				conn := b.dial()
				if _, err := io.WriteString(conn, c.starts); err != nil {
					t.Fatal(err)
				}
				stop := make(chan struct{})
				if c.sends {
					go trickle(conn, stop)
				}
				if c.reads {
					go io.Copy(io.Discard, conn)
				}
				begin := time.Now()
				synctest.Wait()
				b.checkHealth()
				state := <-b.states // of the connection that was healthy
				if state != http.StateClosed {
					t.Fatalf("state = %v, want closed", state)
				}
				if <-b.states; time.Since(begin) != c.want {
					t.Errorf("the connection ended after %v, want %v", time.Since(begin), c.want)
				}
				close(stop)
				conn.Close()
				b.end()
			})
		})
	}
}

// checkHealth checks that an honest client is answered meanwhile, and at once.
func (b *bubble) checkHealth() {
	b.t.Helper()
	begin := time.Now()
	conn := b.dial()
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"); err != nil {
		b.t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || resp.StatusCode != http.StatusOK || time.Since(begin) != 0 {
		b.t.Errorf("GET /health beside a slow peer = %v, %v after %v, want 200 at once", resp, err, time.Since(begin))
	}
}

// The times of HTTP are for requests: a WebSocket outlives them all.
func TestWebSocketOutlivesTimeouts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := startBubble(t, Config{})
		conn, _, err := websocket.Dial(t.Context(), "ws://localhost/connection/websocket", &websocket.DialOptions{
			NetDialContext: func(context.Context, string, string) (net.Conn, error) { return b.dial(), nil },
			Proxy:          websocket.NoProxy,
		})
		if err != nil {
			t.Fatal(err)
		}
		p := peer{conn, t}
		p.send(`{"id":1,"connect":{}}`)
		p.receive()
		silent := 2 * (headerTime + readTime + writeTime + idleTime)
		ctx, cancel := context.WithTimeout(t.Context(), silent)
		defer cancel()
		if _, _, err := conn.Read(ctx); ctx.Err() == nil {
			t.Fatalf("Read = %v, want a connection that is silent for %v", err, silent)
		}
		p.send(`{"id":2,"ping":{}}`)
		if m := p.receive(); m.ID != 2 {
			t.Errorf("reply = %+v, want that to the ping", m)
		}
		if err := conn.Close(websocket.CloseNormal, ""); err != nil {
			t.Errorf("Close = %v", err)
		}
		b.end()
	})
}

// raw sends a request as it stands and returns the answer; done tells that the
// connection has ended behind it.
func (s *site) raw(request string) (status int, body string, done bool) {
	s.t.Helper()
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, request); err != nil {
		s.t.Fatal(err)
	}
	answers := bufio.NewReader(conn)
	resp, err := http.ReadResponse(answers, nil)
	if err != nil {
		s.t.Fatalf("no answer to %.100q: %v", request, err)
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	if resp.Close {
		_, err = answers.ReadByte()
	}
	return resp.StatusCode, string(text), resp.Close && err != nil
}

// Requests that are too large or broken are answered and ended without being read
// to their end.
func TestHostileRequests(t *testing.T) {
	s := start(t, Config{MaxData: 1000})
	const post = "POST /api/publish HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
	large := strings.Repeat("x", 32<<10)
	for _, c := range []struct {
		name    string
		request string
		want    int
		code    string
	}{
		{"a large body", post + "Content-Length: 32768\r\n\r\n" + large, 413, "too_big"},
		{"a body said to be huge", post + "Content-Length: 9223372036854775807\r\n\r\n" + large, 413, "too_big"},
		{"a large body in chunks", post + "Transfer-Encoding: chunked\r\n\r\n8000\r\n" + large + "\r\n0\r\n\r\n", 413, "too_big"},
		{"large headers", "GET /health HTTP/1.1\r\nHost: localhost\r\nX: " + large + "\r\n\r\n", 431, ""},
		{"a large path", "GET /" + large + " HTTP/1.1\r\nHost: localhost\r\n\r\n", 431, ""},
		{"two lengths", post + "Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}", 400, ""},
		{"a negative length", post + "Content-Length: -1\r\n\r\n{}", 400, ""},
		{"another coding", post + "Transfer-Encoding: gzip\r\n\r\n", 501, ""},
		{"no host", "GET /health HTTP/1.1\r\n\r\n", 400, ""},
		{"a forged host", "GET /health HTTP/1.1\r\nHost: a b\r\n\r\n", 400, ""},
		{"no HTTP", "\x16\x03\x01\x00\x05\r\n\r\n", 400, ""},
	} {
		status, body, done := s.raw(c.request)
		if status != c.want || !strings.Contains(body, c.code) {
			t.Errorf("%s = %d %.200s, want %d %s", c.name, status, body, c.want, c.code)
		}
		if !done {
			t.Errorf("%s: the connection goes on", c.name)
		}
	}
	if resp, _ := s.do("GET", "/health", ""); resp.StatusCode != http.StatusOK {
		t.Errorf("GET /health afterwards = %d, want 200", resp.StatusCode)
	}
}

// Bodies that are no publication are refused over the wire as well, and the
// connection lives on.
func TestBadPublications(t *testing.T) {
	s := start(t, Config{})
	deep := strings.Repeat("[", 30000) + strings.Repeat("]", 30000)
	for _, body := range []string{
		``, `{`, `[]`, `null`, `{"channel":"news","data":1}{}`, `{"channel":"news","data":1} x`, `{"channel":"news","data":` + deep + `}`,
		`{"channel":"news","data":1,"more":1}`, `{"channel":"news"}`, `{"channel":7,"data":1}`, `{"channel":"news","data":NaN}`,
		"\xef\xbb\xbf" + publishBody, "{\"channel\":\"n\x00\",\"data\":1}",
	} {
		resp, text := s.do("POST", "/api/publish", body, "Content-Type", "application/json")
		if resp.StatusCode != http.StatusBadRequest || !strings.Contains(text, `"code":"invalid_argument"`) || resp.Close {
			t.Errorf("POST %.60q = %d %s, want 400 invalid_argument", body, resp.StatusCode, text)
		}
	}
	if pos := s.publish(publishBody); pos.Offset != 1 {
		t.Errorf("the first publication is at offset %d, want 1: the others were not taken", pos.Offset)
	}
}

// Connections that never finish their request keep nobody from being served.
func TestManyIdleConnections(t *testing.T) {
	s := start(t, Config{})
	for i := range 500 {
		conn, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "GET /connection/websocket HTTP/1.1\r\nHost: localhost\r\nX-%d: ", i)
	}
	p := s.connect()
	p.send(`{"id":2,"subscribe":{"channel":"news"}}`)
	p.receive()
	pos := s.publish(publishBody)
	if m := p.receive(); m.Publication == nil || m.Publication.position != pos {
		t.Errorf("got %+v, want the publication at %v", m, pos)
	}
}
