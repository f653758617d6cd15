package websocket_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-15847954/ropewalk/websocket"
	"github.com/seed-15847954/ropewalk/websocket/frame"
	"github.com/seed-15847954/ropewalk/websocket/wstest"
)

// upgraded is what one call of Upgrade returned.
type upgraded struct {
	conn *websocket.Conn
	r    *http.Request
	err  error
}

// upgrading calls Upgrade in a goroutine.
func upgrading(ctx context.Context, conn net.Conn, opts *websocket.AcceptOptions) <-chan upgraded {
	done := make(chan upgraded, 1)
	go func() {
		c, r, err := websocket.Upgrade(ctx, conn, opts)
		done <- upgraded{c, r, err}
	}()
	return done
}

// The request is as a handler of net/http gets it.
func TestUpgradeRequest(t *testing.T) {
	type key struct{}
	ctx := context.WithValue(t.Context(), key{}, "v")
	server, client := wstest.Streams()
	done := upgrading(ctx, server, &websocket.AcceptOptions{Subprotocols: []string{"b"}})
	client.Write(upgradeRequest("GET /echo?x=1 HTTP/1.1", "x-one: 1", "+X-One: 2", "Sec-WebSocket-Protocol: a, b"))
	resp, _, err := readAnswer(client)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("answer %v, %v, want 101", resp, err)
	}
	u := <-done
	if u.err != nil {
		t.Fatal(u.err)
	}
	defer u.conn.CloseNow()
	r := u.r
	if r.Method != http.MethodGet || r.URL.Path != "/echo" || r.URL.Query().Get("x") != "1" || r.Proto != "HTTP/1.1" || r.TLS != nil ||
		r.Host != "example.com" || r.RequestURI != "/echo?x=1" || r.RemoteAddr != server.RemoteAddr().String() {
		t.Errorf("request = %+v", r)
	}
	if got := r.Header.Values("X-One"); len(got) != 2 || r.Header.Get("Sec-WebSocket-Protocol") != "a, b" || r.Header.Get("Host") != "" {
		t.Errorf("header = %v", r.Header)
	}
	if r.Context().Value(key{}) != "v" || u.conn.Context().Value(key{}) != "v" || u.conn.Subprotocol() != "b" {
		t.Error("context or subprotocol is missing")
	}
	if b, err := io.ReadAll(r.Body); len(b) > 0 || err != nil {
		t.Errorf("body = %q, %v, want none", b, err)
	}
}

// The request may come in any pieces, with frames in the last one.
func TestUpgradeInPieces(t *testing.T) {
	request := upgradeRequest("X-Padding: " + strings.Repeat("x", 5000)) // does not fit the usual buffer
	hello := wstest.AppendFrame(nil, frame.Header{Fin: true, Opcode: frame.Text, Masked: true}, []byte("hello"))
	for _, piece := range []int{1, 7, 1000, len(request), len(request) + 3, len(request) + len(hello)} {
		server, client := net.Pipe()
		done := upgrading(t.Context(), server, nil)
		go func() {
			for rest := append(bytes.Clone(request), hello...); len(rest) > 0; {
				n := min(piece, len(rest))
				client.Write(rest[:n])
				rest = rest[n:]
			}
		}()
		if resp, _, err := readAnswer(client); err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
			t.Fatalf("pieces of %d: answer %v, %v, want 101", piece, resp, err)
		}
		u := <-done
		if u.err != nil {
			t.Fatalf("pieces of %d: %v", piece, u.err)
		}
		mustRead(t, u.conn, websocket.Text, []byte("hello"))
		u.conn.CloseNow()
		client.Close()
	}
}

// What is no HTTP/1.1 is refused with its status, as is what is too large.
//
// Security 6.
func TestUpgradeRefuses(t *testing.T) {
	s := serveUpgrade(t, nil)
	for _, test := range []struct {
		request string
		status  int
	}{
		{strings.ReplaceAll(string(upgradeRequest()), "\r\n", "\n"), 400},
		{string(upgradeRequest("+X-Folded: a", "+ b")), 400},
		{string(upgradeRequest("+Host : example.com")), 400},
		{string(upgradeRequest("X: a\x00b")), 400},
		{string(upgradeRequest("X: a\rb")), 400},
		{string(upgradeRequest("GET * HTTP/1.1")), 400},
		{string(upgradeRequest("GET example.com:80 HTTP/1.1")), 400},
		{string(upgradeRequest("Content-Length: 0", "+Transfer-Encoding: chunked")), 400},
		{"\x16\x03\x01\x02\x00\r\n\r\n", 400},
		{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
		{string(upgradeRequest("GET /echo HTTP/2.0")), 505},
		{string(upgradeRequest("X: " + strings.Repeat("x", 16<<10))), 431},
		{"GET /" + strings.Repeat("x", 1<<20), 431},
	} {
		conn := s.dialRaw(t)
		go conn.Write([]byte(test.request))
		resp, body, err := readAnswer(conn)
		if err != nil {
			t.Fatalf("%.80q: %v", test.request, err)
		}
		conn.Close()
		if resp.StatusCode != test.status || resp.Header.Get("Date") == "" || resp.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%.80q: answer %d %v, want %d", test.request, resp.StatusCode, resp.Header, test.status)
		}
		if e := s.refused(t); e.Status != test.status || e.Reason+"\n" != body {
			t.Errorf("%.80q: Upgrade() = %v with status %d, body %q, want %d", test.request, e, e.Status, body, test.status)
		}
	}
	// The largest head that passes.
	fits := upgradeRequest("X: ")
	fits = upgradeRequest("X: " + strings.Repeat("x", 16<<10-len(fits)))
	if resp, _ := s.exchange(t, fits); len(fits) != 16<<10 || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Errorf("a head of %d bytes: status %d, want 101", len(fits), resp.StatusCode)
	}
}

// A refusal is the same as that of Accept behind net/http, byte for byte but for
// the order of the lines.
func TestUpgradeRefusalIsAccepts(t *testing.T) {
	opts := &websocket.AcceptOptions{BeforeUpgrade: func(r *http.Request, _ http.Header) error {
		if r.URL.RawQuery == "" {
			return nil
		}
		return &websocket.HandshakeError{Status: 401, Reason: "who are you?", Header: http.Header{"www-authenticate": {"Basic"}}}
	}}
	a, b := serve(t, opts), serveUpgrade(t, opts)
	for _, edit := range []string{
		"POST /echo HTTP/1.1", "HEAD /echo HTTP/1.1", "-Upgrade", "-Connection", "Sec-WebSocket-Version: 8", "-Sec-WebSocket-Version",
		"Origin: http://evil.com", "GET /echo?refuse HTTP/1.1", "Content-Length: 5", "GET /echo HTTP/1.0",
	} {
		var answers [2]*http.Response
		var bodies [2]string
		for i, s := range []*testServer{a, b} {
			conn := s.dialRaw(t)
			conn.Write(upgradeRequest(edit))
			var err error
			if answers[i], bodies[i], err = readAnswer(conn); err != nil {
				t.Fatal(err)
			}
			conn.Close()
			answers[i].Header.Del("Date")
		}
		if answers[0].Status != answers[1].Status || !equalHeader(answers[0].Header, answers[1].Header) || bodies[0] != bodies[1] {
			t.Errorf("%q: Upgrade answers %s %v %q, Accept %s %v %q", edit,
				answers[1].Status, answers[1].Header, bodies[1], answers[0].Status, answers[0].Header, bodies[0])
		}
	}
}

// Unix sockets have no addresses worth the name; all works the same.
func TestUpgradeUnix(t *testing.T) {
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	s := upgradeOn(t, l, nil)
	conn, err := net.Dial("unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.Write(upgradeRequest())
	c := s.accepted(t)
	readAnswer(conn)
	mustWrite(t, c, websocket.Text, []byte("hello"))
	if _, p, err := wstest.PeerOn(conn).Receive(); err != nil || string(p) != "hello" {
		t.Errorf("Receive() = %q, %v, want hello", p, err)
	}
}

// Whatever comes, Upgrade answers with a proper 101, or refuses and closes, or only
// closes what was no whole request.
//
// Checks 6455-153.
// Security 6, 7.
func FuzzUpgrade(f *testing.F) {
	f.Add(upgradeRequest())
	f.Add(append(upgradeRequest("Sec-WebSocket-Extensions: permessage-deflate"), 0x81, 0x80, 0, 0, 0, 0))
	f.Add(upgradeRequest("GET http://[::1]:80/echo HTTP/1.1", "Connection: keep-alive, Upgrade", "Content-Length: 1"))
	f.Add(upgradeRequest("+X: a", "+ b"))
	opts := &websocket.AcceptOptions{
		Subprotocols: []string{"a", "b"}, OriginPatterns: []string{"https://*.example.org"}, Compression: &websocket.Compression{},
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 60<<10 {
			return
		}
		server, client := wstest.Streams()
		client.Write(b)
		client.CloseWrite()
		c, r, err := websocket.Upgrade(context.Background(), server, opts)
		if err == nil {
			defer c.CloseNow()
		}
		resp, _, answer := readAnswer(client)
		var e *websocket.HandshakeError
		switch {
		case err == nil:
			if answer != nil || resp.Header.Get("Connection") != "Upgrade" || r.Method != http.MethodGet {
				t.Errorf("answer to %q = %v, %v, want 101", b, resp, answer)
			}
		case errors.As(err, &e):
			if answer != nil || resp.StatusCode != e.Status || e.Status < 400 {
				t.Errorf("answer to %q = %v, %v, want %d", b, resp, answer, e.Status)
			}
		case !errors.Is(answer, errNoAnswer):
			t.Errorf("answer to %q = %v, %v, want none after %v", b, resp, answer, err)
		}
	})
}
