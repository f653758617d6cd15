package wsh2_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/seed-15847954/ropewalk/websocket"
	"github.com/seed-15847954/ropewalk/websocket/wsh2"
)

// transport returns one that trusts s and ends with the test.
func transport(t *testing.T, s *server) *wsh2.Transport {
	t.Helper()
	tr := &wsh2.Transport{}
	if s != nil && s.TLS != nil {
		tr.TLSConfig = s.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	}
	t.Cleanup(func() { tr.Close() })
	return tr
}

// wsURL is the URL of the WebSocket handler.
func (s *server) wsURL() string { return "ws" + strings.TrimPrefix(s.URL, "http") + "/ws" }

func dial(t *testing.T, s *server, opts *websocket.DialOptions) *websocket.Conn {
	t.Helper()
	c, resp, err := websocket.Dial(t.Context(), s.wsURL(), opts)
	if err != nil {
		t.Fatalf("Dial() = %v", err)
	}
	if resp.ProtoMajor != 2 || resp.StatusCode != http.StatusOK {
		t.Fatalf("the answer is %v over %v, want 200 over HTTP/2", resp.Status, resp.Proto)
	}
	t.Cleanup(func() { c.CloseNow() })
	return c
}

// mustEcho sends a message and waits for it to come back.
func mustEcho(t *testing.T, c *websocket.Conn, typ websocket.MessageType, p []byte) {
	t.Helper()
	sent := make(chan error, 1)
	go func() { sent <- c.Write(t.Context(), typ, p) }()
	gotType, got, err := c.Read(t.Context())
	if err != nil || gotType != typ || !bytes.Equal(got, p) {
		t.Fatalf("echo of %d bytes = %v, %d bytes, %v", len(p), gotType, len(got), err)
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
}

// The server of net/http and this client, with TLS and without: messages of all
// sizes, subprotocol, compression, the closing handshake.
//
// Checks 8441-11, 8441-13, 8441-14, 8441-15, 8441-16, 8441-17.
func TestDial(t *testing.T) {
	for name, start := range map[string]func(*testing.T, *websocket.AcceptOptions, func(*websocket.Conn)) *server{
		"h2c": serve, "TLS": serveTLS,
	} {
		for _, compression := range []*websocket.Compression{nil, {}} {
			t.Run(name, func(t *testing.T) {
				checkLeaks(t)
				s := start(t, &websocket.AcceptOptions{
					Subprotocols: []string{"b"}, Compression: compression, Limits: websocket.Limits{MaxMessageSize: -1},
				}, echo)
				c := dial(t, s, &websocket.DialOptions{
					Connector: transport(t, s), Subprotocols: []string{"a", "b"}, Compression: compression,
					Limits: websocket.Limits{MaxMessageSize: -1},
				})
				if c.Subprotocol() != "b" || c.Compressed() != (compression != nil) {
					t.Errorf("subprotocol %q, compressed %v", c.Subprotocol(), c.Compressed())
				}
				for _, size := range []int{0, 1, 125, 126, 16 << 10, 65535, 65536, 1 << 20, 3 << 20} {
					mustEcho(t, c, websocket.Binary, bytes.Repeat([]byte("abc\xff"), size/4))
				}
				if r := s.request(); r.ProtoMajor != 2 || r.Header.Get("Sec-WebSocket-Key") != "" || (r.TLS != nil) != (s.TLS != nil) {
					t.Errorf("the request is %v", r)
				}
				if c.RemoteAddr().String() != s.Listener.Addr().String() {
					t.Errorf("RemoteAddr() = %v, want %v", c.RemoteAddr(), s.Listener.Addr())
				}
				if err := c.Close(websocket.CloseNormal, "bye"); err != nil {
					t.Errorf("Close() = %v", err)
				}
			})
		}
	}
}

// Many connections share one of HTTP/2.
func TestShared(t *testing.T) {
	checkLeaks(t)
	s := serve(t, nil, echo)
	opts := &websocket.DialOptions{Connector: transport(t, s)}
	addresses := make(chan string, 200)
	var all sync.WaitGroup
	for range 200 {
		all.Go(func() {
			c, _, err := websocket.Dial(t.Context(), s.wsURL(), opts)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close(websocket.CloseNormal, "")
			addresses <- c.LocalAddr().String()
			mustEcho(t, c, websocket.Text, []byte("hello"))
		})
	}
	all.Wait()
	close(addresses)
	distinct := map[string]bool{}
	for a := range addresses {
		distinct[a] = true
	}
	if len(distinct) != 1 {
		t.Errorf("200 WebSockets use %d connections, want 1", len(distinct))
	}
}

// A server's refusal reaches Dial, and its text.
func TestDialRefused(t *testing.T) {
	s := serve(t, &websocket.AcceptOptions{BeforeUpgrade: func(*http.Request, http.Header) error {
		return &websocket.HandshakeError{Status: 401, Reason: "who are you?"}
	}}, echo)
	_, resp, err := websocket.Dial(t.Context(), s.wsURL(), &websocket.DialOptions{Connector: transport(t, s)})
	if !isRefused(err, 401) {
		t.Fatalf("Dial() = %v, want a refusal with 401", err)
	}
	if body, err := io.ReadAll(resp.Body); string(body) != "who are you?\n" {
		t.Errorf("body %q, %v", body, err)
	}
}

// Without HTTP/2 at the server, the error says so, and FallBack goes on with
// HTTP/1.1.
func TestDialFallBack(t *testing.T) {
	checkLeaks(t)
	for name, start := range map[string]func(*server){
		"plain": func(s *server) { s.Start() },
		"TLS":   func(s *server) { s.StartTLS() },
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(nil, echo)
			start(s)
			t.Cleanup(s.Close)
			tr := transport(t, s)
			for range 2 { // the second is refused without asking
				_, _, err := websocket.Dial(t.Context(), s.wsURL(), &websocket.DialOptions{Connector: tr})
				if !errors.Is(err, websocket.ErrNoExtendedConnect) {
					t.Errorf("Dial() = %v, want ErrNoExtendedConnect", err)
				}
			}
			config := &tls.Config{}
			if tr.TLSConfig != nil {
				config = tr.TLSConfig
			}
			c, resp, err := websocket.Dial(t.Context(), s.wsURL(), &websocket.DialOptions{
				Connector: tr, FallBack: true, TLSConfig: config,
			})
			if err != nil || resp.ProtoMajor != 1 {
				t.Fatalf("Dial() with FallBack = %v, %v", resp, err)
			}
			mustEcho(t, c, websocket.Text, []byte("hello"))
			c.Close(websocket.CloseNormal, "")
		})
	}
}

// Contexts: that of Dial does not bound the connection, and reads go on after one
// was given up.
func TestContexts(t *testing.T) {
	checkLeaks(t)
	s := serve(t, nil, echo)
	ctx, cancel := context.WithCancel(t.Context())
	c, _, err := websocket.Dial(ctx, s.wsURL(), &websocket.DialOptions{Connector: transport(t, s)})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	for range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		read := make(chan error, 1)
		go func() {
			_, _, err := c.Read(ctx)
			read <- err
		}()
		cancel()
		if err := <-read; !errors.Is(err, context.Canceled) {
			t.Fatalf("Read() = %v, want Canceled", err)
		}
	}
	mustEcho(t, c, websocket.Text, []byte("still here"))
	c.Close(websocket.CloseNormal, "")
}
