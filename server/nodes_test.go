package server

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/seed-15847954/ropewalk/cluster"
)

// A line is a cluster.Bus in this process.
type line struct {
	mu   sync.Mutex
	hear []func([]byte)
}

func (l *line) Broadcast(_ context.Context, message []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, hear := range l.hear {
		hear(message)
	}
	return nil
}

func (l *line) Listen(_ context.Context, hear func([]byte)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hear = append(l.hear, hear)
	return nil
}

// twoNodes returns a, and b which is reached at an address.
func twoNodes(t *testing.T, address string) (a, b *cluster.Cluster) {
	t.Helper()
	bus := new(line)
	for name, address := range map[string]string{"a": "", "b": address} {
		c := cluster.New(cluster.Config{Node: name, Bus: bus, Log: slog.New(slog.DiscardHandler)})
		if err := c.Start(t.Context(), address); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		if name == "b" {
			b = c
		} else {
			a = c
		}
	}
	for _, ok := a.Node("b"); !ok; _, ok = a.Node("b") {
		if _, err := a.Ask(t.Context(), "", nil); err != nil { // waits for all to be known
			t.Fatal(err)
		}
	}
	return a, b
}

// A deaf bus listens only when it is given up.
type deaf struct{ line }

func (*deaf) Listen(ctx context.Context, _ func([]byte)) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

// A server that is told to end before it knows the others ends in order.
func TestEndWhileBeginning(t *testing.T) {
	srv, err := New(Config{Listen: "127.0.0.1:0"}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ln, err := srv.Listen()
	if err != nil {
		t.Fatal(err)
	}
	srv.cluster = cluster.New(cluster.Config{Node: "a", Bus: new(deaf), Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := srv.Serve(ctx, ln); err != nil {
		t.Errorf("Serve() = %v, want nil", err)
	}
}

// A request for a session of another node is served there as it came, and its answer
// is what the client gets.
func TestForward(t *testing.T) {
	var other *cluster.Cluster
	var served http.Handler
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { served.ServeHTTP(w, r) }))
	defer target.Close()
	a, b := twoNodes(t, target.Listener.Addr().String())
	other = b
	served = newForwarder(other, slog.New(slog.DiscardHandler)).check(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		w.Header().Set("Vary", "Origin")
		w.Header().Set("X-Batch", "7")
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprintf(w, "%s %s %s %s %v", r.Host, r.URL, r.Header.Get("X-Session"), body, err)
	}))
	f := newForwarder(a, slog.New(slog.DiscardHandler))
	defer f.close()
	ask := func(node string, header ...string) (*httptest.ResponseRecorder, bool) {
		r := httptest.NewRequest(http.MethodPost, "http://app.example/connection/poll?x=1", strings.NewReader("body"))
		r.Header.Set("X-Session", "b.1")
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		w.Header().Set("Vary", "Origin")
		return w, f.forward(node, w, r)
	}
	w, ok := ask("b")
	if want := "app.example /connection/poll?x=1 b.1 body <nil>"; !ok || w.Code != http.StatusAccepted || w.Body.String() != want {
		t.Errorf("forward = %v, %d %q, want %q", ok, w.Code, w.Body, want)
	}
	if got := w.Header(); len(got["Vary"]) != 1 || got.Get("X-Batch") != "7" {
		t.Errorf("the answer has the headers %v", got)
	}
	if _, ok := ask("c"); ok {
		t.Error("a node that nobody knows has answered")
	}
	if _, ok := ask("b", nodeHeader, a.Token()); ok {
		t.Error("a request is passed on twice")
	}
	target.CloseClientConnections()
	target.Close()
	if w, ok := ask("b"); ok || w.Body.Len() > 0 {
		t.Errorf("a node that is gone has answered %q", w.Body)
	}
}

// Who is no node cannot claim to be one.
//
// Security 10.
func TestForgedNode(t *testing.T) {
	s := start(t, Config{})
	for _, token := range []string{"", "x", strings.Repeat("x", 26)} {
		if resp, _ := s.do("GET", "/health", "", nodeHeader, token); resp.StatusCode != http.StatusMisdirectedRequest {
			t.Errorf("%s: %q: %s, want 421", nodeHeader, token, resp.Status)
		}
	}
	if resp, _ := s.do("GET", "/health", "", nodeHeader, s.cluster.Token()); resp.StatusCode != http.StatusOK {
		t.Errorf("with the token: %s", resp.Status)
	}
}

func TestAdvertised(t *testing.T) {
	for addr, want := range map[string]string{"127.0.0.1:80": "127.0.0.1:80", "[::1]:80": "[::1]:80"} {
		tcp, err := net.ResolveTCPAddr("tcp", addr)
		if err != nil || advertised(tcp) != want {
			t.Errorf("advertised(%s) = %s, want %s, %v", addr, advertised(tcp), want, err)
		}
	}
	if got := advertised(&net.UnixAddr{Name: "/x"}); got != "" {
		t.Errorf("advertised of a Unix socket = %q", got)
	}
	if got := advertised(&net.TCPAddr{Port: 80}); got != "" && (!strings.HasSuffix(got, ":80") || strings.HasPrefix(got, "127.")) {
		t.Errorf("advertised of all addresses = %q", got)
	}
}
