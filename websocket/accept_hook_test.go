package websocket_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/seed-15847954/ropewalk/websocket"
)

// RFC 6455, section 4.2.2: a hook may refuse with any status and header, abort, or
// add to the answer.
//
// Checks 6455-47, 6455-129, 6455-150.
func TestAcceptBeforeUpgrade(t *testing.T) { bothWays(t, testAcceptBeforeUpgrade) }

func testAcceptBeforeUpgrade(t *testing.T, serve serveFunc) {
	var hook func(http.Header) error
	s := serve(t, &websocket.AcceptOptions{
		BeforeUpgrade: func(r *http.Request, h http.Header) error { return hook(h) },
	})
	unauthorized := &websocket.HandshakeError{
		Status: 401, Reason: "log in first", Header: http.Header{"Www-Authenticate": {`Basic realm="x"`}},
	}
	secret := errors.New("s3cret")
	for _, test := range []struct {
		err    error
		status int
		header string
		body   string
	}{
		{unauthorized, 401, "Www-Authenticate", "log in first\n"},
		{fmt.Errorf("wrapped: %w", unauthorized), 401, "Www-Authenticate", "log in first\n"},
		{&websocket.HandshakeError{Status: 302, Header: http.Header{"Location": {"/login"}}}, 302, "Location", "\n"},
		{&websocket.HandshakeError{Status: 204}, 204, "", ""},
		{&websocket.HandshakeError{Status: 503, Reason: "busy", Header: http.Header{"retry-after": {"1"}}}, 503, "Retry-After", "busy\n"},
		{&websocket.HandshakeError{Reason: "no", Err: secret}, 403, "", "no\n"},
		{secret, 403, "", "refused\n"},
	} {
		hook = func(http.Header) error { return test.err }
		conn := s.dialRaw(t)
		conn.Write(upgradeRequest())
		resp, body, err := readAnswer(conn)
		if err != nil {
			t.Fatalf("%v: %v", test.err, err)
		}
		conn.Close()
		if resp.StatusCode != test.status || body != test.body || test.header != "" && resp.Header.Get(test.header) == "" {
			t.Errorf("%v: answer %d %v %q, want %d, %s, %q", test.err, resp.StatusCode, resp.Header, body, test.status, test.header, test.body)
		}
		if e := s.refused(t); e.Status != test.status || errors.Is(test.err, secret) && !errors.Is(e, secret) {
			t.Errorf("%v: Accept() = %v with status %d, want status %d", test.err, e, e.Status, test.status)
		}
	}
	hook = func(h http.Header) error {
		h.Add("Set-Cookie", "a=1")
		h.Add("Set-Cookie", "b=2")
		return nil
	}
	resp, _ := s.exchange(t, upgradeRequest())
	if got := resp.Header.Values("Set-Cookie"); resp.StatusCode != http.StatusSwitchingProtocols || !slices.Equal(got, []string{"a=1", "b=2"}) {
		t.Errorf("answer %d with cookies %q, want 101 with both", resp.StatusCode, got)
	}
}

// RFC 6455, section 4.2.2: a resource that is not served is 404, from the hook and
// from the router.
//
// Checks 6455-50.
func TestAcceptUnknownResource(t *testing.T) {
	s := serve(t, &websocket.AcceptOptions{BeforeUpgrade: func(r *http.Request, _ http.Header) error {
		if r.URL.Query().Get("room") != "known" {
			return &websocket.HandshakeError{Status: http.StatusNotFound, Reason: "no such room"}
		}
		return nil
	}})
	for target, want := range map[string]int{"/echo?room=known": 101, "/echo?room=x": 404, "/echo": 404} {
		if resp, _ := s.exchange(t, upgradeRequest("GET "+target+" HTTP/1.1")); resp.StatusCode != want {
			t.Errorf("%s: status %d, want %d", target, resp.StatusCode, want)
		}
	}
	mux := http.NewServeMux()
	mux.Handle("/echo", s.Config.Handler)
	s.Config.Handler = mux
	resp, _ := s.exchange(t, upgradeRequest("GET /unknown HTTP/1.1", "Connection: Upgrade, close"))
	if resp.StatusCode != http.StatusNotFound {
		t.Errorf("/unknown: status %d, want 404", resp.StatusCode)
	}
}

// Nothing that an application passes on can end a line of the answer, or stand in
// for the handshake's own headers.
//
// Checks 6455-24.
func TestAcceptHeaderInjection(t *testing.T) { bothWays(t, testAcceptHeaderInjection) }

func testAcceptHeaderInjection(t *testing.T, serve serveFunc) {
	bad := []http.Header{
		{"X": {"a\r\nInjected: b"}},
		{"X": {"a\nInjected: b"}},
		{"X": {"a\rInjected: b"}},
		{"X": {"a\x00"}},
		{"X\r\nInjected": {"b"}},
		{"X: y\r\nInjected": {"b"}},
		{"": {"b"}},
		{"X Y": {"b"}},
		{"Upgrade": {"h2c"}},
		{"upgrade": {"h2c"}},
		{"Connection": {"keep-alive"}},
		{"Sec-WebSocket-Accept": {"x"}},
		{"sec-websocket-accept": {"x"}},
		{"Sec-Websocket-Protocol": {"x"}},
		{"Sec-WebSocket-Extensions": {"permessage-deflate"}},
		{"Content-Length": {"10"}},
		{"Transfer-Encoding": {"chunked"}},
		{"Trailer": {"x"}},
	}
	for _, header := range bad {
		for what, hook := range map[string]func(*http.Request, http.Header) error{
			"added": func(_ *http.Request, h http.Header) error {
				for name, values := range header {
					h[name] = values
				}
				return nil
			},
			"refused with": func(*http.Request, http.Header) error {
				return &websocket.HandshakeError{Status: 401, Header: header}
			},
		} {
			s := serve(t, &websocket.AcceptOptions{BeforeUpgrade: hook})
			resp, _ := s.exchange(t, upgradeRequest())
			if resp.StatusCode != http.StatusInternalServerError || resp.Header.Get("Injected") != "" {
				t.Errorf("%s %q: answer %d %v, want 500", what, header, resp.StatusCode, resp.Header)
			}
		}
	}
	for _, status := range []int{100, 101, 199, 600, -1} {
		s := serve(t, &websocket.AcceptOptions{BeforeUpgrade: func(*http.Request, http.Header) error {
			return &websocket.HandshakeError{Status: status}
		}})
		if resp, _ := s.exchange(t, upgradeRequest()); resp.StatusCode != http.StatusInternalServerError {
			t.Errorf("refused with status %d: answer %d, want 500", status, resp.StatusCode)
		}
	}
}

// Options that mean nothing are the server's fault, on the first request.
func TestAcceptBadOptions(t *testing.T) { bothWays(t, testAcceptBadOptions) }

func testAcceptBadOptions(t *testing.T, serve serveFunc) {
	for _, opts := range []*websocket.AcceptOptions{
		{Subprotocols: []string{"a\r\nInjected: b"}},
		{Subprotocols: []string{"a b"}},
		{Subprotocols: []string{""}},
		{OriginPatterns: []string{"*"}},
		{OriginPatterns: []string{"https://example.com/"}},
		{Compression: &websocket.Compression{WindowBits: 7}},
		{Compression: &websocket.Compression{PeerWindowBits: 16}},
	} {
		s := serve(t, opts)
		resp, _ := s.exchange(t, upgradeRequest("Sec-WebSocket-Protocol: a"))
		if e := s.refused(t); resp.StatusCode != http.StatusInternalServerError || e.Err == nil {
			t.Errorf("%+v: answer %d, Accept() = %v, want 500 and the reason", opts, resp.StatusCode, e)
		}
	}
}
