package server

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/seed-15847954/ropewalk/protocol/native"
	"github.com/seed-15847954/ropewalk/websocket"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A record is a log that can be read while it is written.
type record struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.b.Write(p)
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.b.String()
}

// A site is a running server and a client of it.
type site struct {
	*Server
	addr   string // host:port
	log    *record
	client *http.Client
	t      *testing.T
}

// start runs a server on a free port of loopback until the test ends.
func start(t *testing.T, config Config) *site {
	t.Helper()
	config.Listen = "127.0.0.1:0"
	s := &site{log: new(record), client: &http.Client{Transport: &http.Transport{}}, t: t}
	srv, err := New(config, slog.New(slog.NewTextHandler(s.log, nil)))
	if err != nil {
		t.Fatalf("New = %v", err)
	}
	ln, err := srv.Listen()
	if err != nil {
		t.Fatalf("Listen = %v", err)
	}
	s.Server, s.addr = srv, ln.Addr().String()
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ctx, ln) }()
	t.Cleanup(func() {
		s.client.CloseIdleConnections()
		stop()
		if err := <-served; err != nil {
			t.Errorf("Serve = %v", err)
		}
	})
	return s
}

// do sends a request with a body and headers and returns the answer with its body.
func (s *site) do(method, path, body string, header ...string) (*http.Response, string) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, "http://"+s.addr+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
		} else {
			r.Header.Set(header[i], header[i+1])
		}
	}
	resp, err := s.client.Do(r)
	if err != nil {
		s.t.Fatalf("%s %s = %v", method, path, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatalf("%s %s: body = %v", method, path, err)
	}
	return resp, string(text)
}

// publish publishes as a back end does and returns the position.
func (s *site) publish(body string) (pos position) {
	s.t.Helper()
	resp, text := s.do("POST", "/api/publish", body, "Content-Type", "application/json")
	if err := json.Unmarshal([]byte(text), &pos); err != nil || resp.StatusCode != http.StatusOK {
		s.t.Fatalf("POST /api/publish %s = %d %s, %v", body, resp.StatusCode, text, err)
	}
	return pos
}

// wsURL is where WebSocket clients connect.
func (s *site) wsURL() string { return "ws://" + s.addr + "/connection/websocket" }

type position struct {
	Epoch  string
	Offset uint64
}

// A message is what the server sends, as far as these tests look at it.
type message struct {
	ID          uint64
	Connect     *struct{ Session, Client string }
	Subscribe   *struct{ Position position }
	Publish     *struct{ Position position }
	Publication *struct {
		Channel string
		position
		Prev uint64
		Data json.RawMessage
	}
	Disconnect *struct {
		Code  int
		Retry bool
	}
}

// A peer is a client of the native protocol.
type peer struct {
	*websocket.Conn
	t *testing.T
}

// dial opens a connection.
func (s *site) dial() peer {
	s.t.Helper()
	conn, _, err := websocket.Dial(s.t.Context(), s.wsURL(), &websocket.DialOptions{Subprotocols: []string{native.Subprotocol}})
	if err != nil {
		s.t.Fatalf("Dial = %v", err)
	}
	s.t.Cleanup(func() { conn.CloseNow() })
	return peer{conn, s.t}
}

// connect opens a connection up to the reply to connect.
func (s *site) connect() peer {
	s.t.Helper()
	p := s.dial()
	p.send(`{"id":1,"connect":{}}`)
	if m := p.receive(); m.Connect == nil || m.Connect.Session == "" {
		s.t.Fatalf("reply to connect = %+v, want a session", m)
	}
	return p
}

func (p peer) send(text string) {
	p.t.Helper()
	if err := p.Write(p.t.Context(), websocket.Text, []byte(text)); err != nil {
		p.t.Fatalf("Write(%.100s) = %v", text, err)
	}
}

func (p peer) receive() (m message) {
	p.t.Helper()
	_, b, err := p.Read(p.t.Context())
	if err == nil {
		err = json.Unmarshal(b, &m)
	}
	if err != nil {
		p.t.Fatalf("Read = %q, %v", b, err)
	}
	return m
}

// The main job: what one client and a back end publish reaches both clients, in
// order, each publication with its position and that of the one before.
func TestMessagesCross(t *testing.T) {
	s := start(t, Config{})
	a, b := s.connect(), s.connect()
	var begin position
	for _, p := range []peer{a, b} {
		p.send(`{"id":2,"subscribe":{"channel":"news"}}`)
		m := p.receive()
		if m.ID != 2 || m.Subscribe == nil || m.Subscribe.Position.Epoch == "" {
			t.Fatalf("reply to subscribe = %+v, want a position", m)
		}
		begin = m.Subscribe.Position
	}
	a.send(`{"id":3,"publish":{"channel":"news","data":{"from":"a"}}}`)
	if m := b.receive(); m.Publication == nil {
		t.Fatalf("got %+v, want a's publication", m)
	} else if p := m.Publication; p.Epoch != begin.Epoch || p.Prev != begin.Offset || string(p.Data) != `{"from":"a"}` {
		t.Errorf("publication = %+v, want a's, behind %v", p, begin)
	}
	last := s.publish(`{"channel":"news","data":"from a back end"}`)
	if m := b.receive(); m.Publication == nil || m.Publication.position != last {
		t.Errorf("got %+v, want the back end's publication at %v", m.Publication, last)
	}
	checkOwn(t, a, begin, last)
}

// checkOwn reads what the publishing client gets: its reply somewhere among both
// publications.
func checkOwn(t *testing.T, a peer, begin, last position) {
	t.Helper()
	var reply *position
	var data []string
	at := begin
	for range 3 {
		m := a.receive()
		switch {
		case m.Publish != nil && m.ID == 3:
			reply = &m.Publish.Position
		case m.Publication == nil:
			t.Fatalf("got %+v, want a publication or the reply to publish", m)
		case m.Publication.Epoch != at.Epoch || m.Publication.Prev != at.Offset || m.Publication.Offset <= at.Offset:
			t.Errorf("publication = %+v, want it behind %v", m.Publication, at)
		default:
			at = m.Publication.position
			data = append(data, string(m.Publication.Data))
		}
	}
	if got := strings.Join(data, " "); got != `{"from":"a"} "from a back end"` {
		t.Errorf("data = %s, want both publications", got)
	}
	if reply == nil || reply.Epoch != begin.Epoch || reply.Offset <= begin.Offset || reply.Offset >= last.Offset {
		t.Errorf("reply to publish = %v, want a position behind %v and before %v", reply, begin, last)
	}
	if at != last {
		t.Errorf("last publication at %v, want %v as POST has returned", at, last)
	}
}

func TestHealth(t *testing.T) {
	s := start(t, Config{})
	resp, body := s.do("GET", "/health", "")
	if resp.StatusCode != http.StatusOK || body != "{\"status\":\"ok\"}\n" || resp.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("GET /health = %d %q %v, want 200 ok, not to be stored", resp.StatusCode, body, resp.Header)
	}
}

// The page comes with Dev alone, its policy and its files with it, and it names no
// other server.
func TestPage(t *testing.T) {
	s := start(t, Config{Dev: true})
	for path, mediaType := range map[string]string{
		"/": "text/html", "/console/app.js": "text/javascript", "/console/style.css": "text/css",
	} {
		resp, body := s.do("GET", path, "")
		policy := resp.Header.Get("Content-Security-Policy")
		if resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Type"), mediaType) {
			t.Errorf("GET %s = %d %s, want 200 %s", path, resp.StatusCode, resp.Header.Get("Content-Type"), mediaType)
		}
		if !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "connect-src 'self'") {
			t.Errorf("GET %s: policy = %q, want one that lets in the server alone", path, policy)
		}
		for _, scheme := range []string{"http://", "https://", "ws://", "wss://"} {
			if strings.Contains(body, scheme) {
				t.Errorf("GET %s: the body has an address with %s", path, scheme)
			}
		}
	}
}
