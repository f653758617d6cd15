package websocket_test

import (
	"context"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/seed-15847954/ropewalk/websocket"
	"github.com/seed-15847954/ropewalk/websocket/frame"
	"github.com/seed-15847954/ropewalk/websocket/wstest"
)

func discardLog() *log.Logger { return log.New(io.Discard, "", 0) }

// Every form of the request that RFC 6455, section 4.2.1, allows is accepted.
//
// Checks 6455-38, 6455-40, 6455-41, 6455-43, 6455-45.
func TestAcceptForms(t *testing.T) { bothWays(t, testAcceptForms) }

func testAcceptForms(t *testing.T, serve serveFunc) {
	s := serve(t, nil)
	var unknown []string
	for i := range 20 {
		unknown = append(unknown, fmt.Sprintf("+X-Unknown-%d: %d", i, i))
	}
	for name, request := range map[string][]byte{
		"plain":             upgradeRequest(),
		"absolute URI":      upgradeRequest("GET http://example.com/echo HTTP/1.1"),
		"absolute https":    upgradeRequest("GET https://example.com/echo HTTP/1.1"),
		"Upgrade case":      upgradeRequest("Upgrade: WebSocket"),
		"Upgrade list":      upgradeRequest("Upgrade: h2c, websocket"),
		"Upgrade lines":     upgradeRequest("Upgrade: h2c", "+Upgrade: websocket"),
		"Connection case":   upgradeRequest("Connection: uPGRADE"),
		"Connection list":   upgradeRequest("Connection: keep-alive, Upgrade"),
		"Connection lines":  upgradeRequest("Connection: keep-alive", "+Connection: Upgrade"),
		"version in spaces": upgradeRequest("Sec-WebSocket-Version:  13 "),
		"Content-Length: 0": upgradeRequest("Content-Length: 0"),
		"IPv6 host":         upgradeRequest("Host: [::1]:8000"),
		"unknown headers":   upgradeRequest(unknown...),
		"names in any case": []byte("GET /echo HTTP/1.1\r\nsec-websocket-version: 13\r\nSEC-WEBSOCKET-KEY: " + sampleKey +
			"\r\nconnection: upgrade\r\nupgrade: websocket\r\nhost: h\r\n\r\n"),
	} {
		resp, conn := s.exchange(t, request)
		if resp.StatusCode != http.StatusSwitchingProtocols {
			t.Errorf("%s: status %d, want 101", name, resp.StatusCode)
			continue
		}
		s.accepted(t)
		conn.Close()
	}
}

// Each departure from RFC 6455, section 4.2.1, alone, is refused with the status
// due, and the connection ends.
//
// Checks 6455-35, 6455-36, 6455-37, 6455-39, 6455-40, 6455-41, 6455-42, 6455-43,
// Checks 6455-49, 6455-60, 6455-61, 6455-63, 6455-67, 6455-140, 6455-129, 6455-154.
// Security 6, 7.
func TestAcceptRefuses(t *testing.T) { bothWays(t, testAcceptRefuses) }

func testAcceptRefuses(t *testing.T, serve serveFunc) {
	s := serve(t, &websocket.AcceptOptions{Compression: &websocket.Compression{}})
	for _, test := range []struct {
		status int
		edit   []string
	}{
		{405, []string{"POST /echo HTTP/1.1"}},
		{405, []string{"PUT /echo HTTP/1.1"}},
		{405, []string{"HEAD /echo HTTP/1.1"}},
		{405, []string{"OPTIONS /echo HTTP/1.1"}},
		{405, []string{"get /echo HTTP/1.1"}},
		{405, []string{"POST /echo HTTP/1.1", "Content-Length: 10"}},
		{426, []string{"GET /echo HTTP/1.0"}},
		{426, []string{"-Upgrade"}},
		{426, []string{"Upgrade: websocketx"}},
		{426, []string{"Upgrade: h2c"}},
		{426, []string{"Upgrade: \u212aebsocket"}},
		{400, []string{"-Connection"}},
		{400, []string{"Connection: upgrade-insecure"}},
		{400, []string{"Connection: keep-alive"}},
		{400, []string{"-Host"}},
		{400, []string{"Host: "}},
		{400, []string{"Host: a", "+Host: b"}},
		{400, []string{"Host: a b"}},
		{400, []string{"Host: a,b"}},
		{400, []string{"Host: a@b"}},
		{400, []string{"Host: h:x"}},
		{400, []string{"Host: h:99999"}},
		{400, []string{"GET ftp://example.com/echo HTTP/1.1"}},
		{400, []string{"-Sec-WebSocket-Key"}},
		{400, []string{"Sec-WebSocket-Key: "}},
		{400, []string{"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j"}},
		{400, []string{"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZVg="}},
		{400, []string{"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ"}},
		{400, []string{"Sec-WebSocket-Key: _____________________w=="}},
		{400, []string{"Sec-WebSocket-Key: !!!!!!!!!!!!!!!!!!!!!!=="}},
		{400, []string{"+Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="}},
		{400, []string{"+Sec-WebSocket-Key: " + sampleKey}},
		{400, []string{"-Sec-WebSocket-Version"}},
		{400, []string{"Sec-WebSocket-Version: "}},
		{400, []string{"Sec-WebSocket-Version: 13, 8"}},
		{400, []string{"Sec-WebSocket-Version: 013"}},
		{400, []string{"Sec-WebSocket-Version: 13.0"}},
		{400, []string{"Sec-WebSocket-Version: +13"}},
		{400, []string{"Sec-WebSocket-Version: 256"}},
		{400, []string{"+Sec-WebSocket-Version: 13"}},
		{400, []string{"+Sec-WebSocket-Version: 8"}},
		{426, []string{"Sec-WebSocket-Version: 0"}},
		{426, []string{"Sec-WebSocket-Version: 7"}},
		{426, []string{"Sec-WebSocket-Version: 8"}},
		{426, []string{"Sec-WebSocket-Version: 12"}},
		{426, []string{"Sec-WebSocket-Version: 14"}},
		{426, []string{"Sec-WebSocket-Version: 255"}},
		{400, []string{"Content-Length: 5"}},
		{400, []string{"Transfer-Encoding: chunked"}},
		{400, []string{"Transfer-Encoding: chunked", "+Content-Length: 5"}},
		{400, []string{"Expect: 100-continue", "+Content-Length: 5"}},
		{400, []string{"Sec-WebSocket-Protocol: a b"}},
		{400, []string{"Sec-WebSocket-Protocol: a,,b"}},
		{400, []string{"Sec-WebSocket-Protocol: "}},
		{400, []string{"Sec-WebSocket-Extensions: ;"}},
		{400, []string{"Sec-WebSocket-Extensions: a;;b"}},
		{400, []string{"Sec-WebSocket-Extensions: a; b="}},
		{400, []string{`Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits="1 0"`}},
		{400, []string{`Sec-WebSocket-Extensions: ="x"`}},
		{400, []string{`Sec-WebSocket-Extensions: a; b="x`}},
		{400, []string{"Sec-WebSocket-Extensions: a" + strings.Repeat("; b", 5000)}},
	} {
		resp, _ := s.exchange(t, upgradeRequest(test.edit...))
		if resp.StatusCode != test.status {
			t.Errorf("%.80q: status %d, want %d", test.edit, resp.StatusCode, test.status)
		}
		checkRefusalHeader(t, fmt.Sprintf("%.80q", test.edit), resp)
	}
}

// checkRefusalHeader checks what must stand beside a status (RFC 6455, section 4.4;
// RFC 9110, sections 15.5.6 and 15.5.22).
func checkRefusalHeader(t *testing.T, what string, resp *http.Response) {
	t.Helper()
	want := map[string][]string{}
	switch resp.StatusCode {
	case http.StatusMethodNotAllowed:
		want["Allow"] = []string{"GET"}
	case http.StatusUpgradeRequired:
		want["Upgrade"] = []string{"websocket"}
		want["Connection"] = []string{"close", "Upgrade"}
		want["Sec-Websocket-Version"] = []string{"13"}
	}
	for name, values := range want {
		if got := resp.Header[name]; !slices.Equal(got, values) {
			t.Errorf("%s: status %d with %s %q, want %q", what, resp.StatusCode, name, got, values)
		}
	}
	if strings.Contains(what, "Version") && resp.Header.Get("Sec-WebSocket-Version") != "13" {
		t.Errorf("%s: Sec-WebSocket-Version = %q, want 13", what, resp.Header.Get("Sec-WebSocket-Version"))
	}
}

// RFC 6455, section 4.2.2: the answer, and nothing else in it.
//
// Checks 6455-53, 6455-54, 6455-55, 6455-56, 6455-57, 6455-58, 6455-65, 7692-2.
func TestAcceptAnswer(t *testing.T) { bothWays(t, testAcceptAnswer) }

func testAcceptAnswer(t *testing.T, serve serveFunc) {
	s := serve(t, &websocket.AcceptOptions{Subprotocols: []string{"a"}})
	offer := "Sec-WebSocket-Extensions: x-foo, permessage-deflate"
	resp, _ := s.exchange(t, upgradeRequest(offer, "Sec-WebSocket-Protocol: zzz"))
	if c := s.accepted(t); c.Subprotocol() != "" || c.Compressed() {
		t.Errorf("Subprotocol, Compressed = %q, %v, want none", c.Subprotocol(), c.Compressed())
	}
	want := http.Header{
		"Upgrade": {"websocket"}, "Connection": {"Upgrade"}, "Sec-Websocket-Accept": {sampleAccept},
	}
	if resp.Status != "101 Switching Protocols" || !equalHeader(resp.Header, want) || len(resp.TransferEncoding) > 0 {
		t.Errorf("answer %q, %v, want 101 Switching Protocols, %v", resp.Status, resp.Header, want)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		nonce := make([]byte, 16)
		for i := range nonce {
			nonce[i] = byte(random.Uint32())
		}
		key := base64.StdEncoding.EncodeToString(nonce)
		resp, conn := s.exchange(t, upgradeRequest("Sec-WebSocket-Key: "+key))
		s.accepted(t)
		conn.Close()
		sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
		if got, want := resp.Header.Get("Sec-WebSocket-Accept"), base64.StdEncoding.EncodeToString(sum[:]); got != want {
			t.Errorf("Sec-WebSocket-Accept for %s = %q, want %q", key, got, want)
		}
	}
}

func equalHeader(a, b http.Header) bool {
	for name := range b {
		if !slices.Equal(a[name], b[name]) {
			return false
		}
	}
	return len(a) == len(b)
}

// RFC 6455, section 4.2.2: one of the offered subprotocols, in the client's order,
// or none, and never an empty header.
//
// Checks 6455-51, 6455-52, 6455-58, 6455-66.
func TestAcceptSubprotocol(t *testing.T) { bothWays(t, testAcceptSubprotocol) }

func testAcceptSubprotocol(t *testing.T, serve serveFunc) {
	s := serve(t, &websocket.AcceptOptions{Subprotocols: []string{"b", "a"}})
	for _, test := range []struct {
		edit []string
		want []string
	}{
		{nil, nil},
		{[]string{"Sec-WebSocket-Protocol: a, b"}, []string{"a"}},
		{[]string{"Sec-WebSocket-Protocol: b, a"}, []string{"b"}},
		{[]string{"Sec-WebSocket-Protocol: x", "+Sec-WebSocket-Protocol: a"}, []string{"a"}},
		{[]string{"Sec-WebSocket-Protocol: zzz"}, nil},
		{[]string{"Sec-WebSocket-Protocol: A"}, nil},
	} {
		resp, conn := s.exchange(t, upgradeRequest(test.edit...))
		c := s.accepted(t)
		if got := resp.Header.Values("Sec-WebSocket-Protocol"); !slices.Equal(got, test.want) || c.Subprotocol() != strings.Join(got, "") {
			t.Errorf("%q: answer %q, Subprotocol() %q, want %q", test.edit, got, c.Subprotocol(), test.want)
		}
		conn.Close()
	}
}

// RFC 6455, section 10.2: origin policy on the wire. The table of origins is in
// package handshake.
//
// Checks 6455-48, 6455-146, 6455-147.
// Security 10.
func TestAcceptOrigin(t *testing.T) { bothWays(t, testAcceptOrigin) }

func testAcceptOrigin(t *testing.T, serve serveFunc) {
	s := serve(t, &websocket.AcceptOptions{OriginPatterns: []string{"https://*.example.org"}})
	open := serve(t, &websocket.AcceptOptions{InsecureSkipOriginCheck: true})
	for origin, want := range map[string]int{
		"http://example.com":         101,
		"https://a.example.org":      101,
		"http://a.example.org":       403,
		"http://evil.com":            403,
		"null":                       403,
		"":                           403,
		"http://example.com.evil":    403,
		"http://evil-example.com":    403,
		"http://example.com:81":      403,
		"http://example.com@evil":    403,
		"http://evil@example.com":    403,
		"http://example.com/a":       403,
		"file://":                    403,
		"https://a.b.example.org":    403,
		"https://a.example.org:8443": 403,
	} {
		resp, _ := s.exchange(t, upgradeRequest("Origin: "+origin))
		if resp.StatusCode != want {
			t.Errorf("Origin %q: status %d, want %d", origin, resp.StatusCode, want)
		}
		if resp, _ := open.exchange(t, upgradeRequest("Origin: "+origin)); resp.StatusCode != http.StatusSwitchingProtocols {
			t.Errorf("Origin %q without check: status %d, want 101", origin, resp.StatusCode)
		}
	}
	if resp, _ := s.exchange(t, upgradeRequest("Origin: http://example.com", "+Origin: http://example.com")); resp.StatusCode != http.StatusForbidden {
		t.Errorf("two Origins: status %d, want 403", resp.StatusCode)
	}
}

// The rule stands for other endpoints, too.
//
// Security 10.
func TestCheckOrigin(t *testing.T) {
	opts := &websocket.AcceptOptions{OriginPatterns: []string{"https://*.example.org"}}
	for _, c := range []struct {
		origins []string
		allowed bool
	}{
		{nil, true},
		{[]string{"http://example.com"}, true},
		{[]string{"https://a.example.org"}, true},
		{[]string{"https://evil.example"}, false},
		{[]string{""}, false},
		{[]string{"http://example.com", "http://example.com"}, false},
	} {
		r := httptest.NewRequest(http.MethodGet, "http://example.com/events", nil)
		r.Header["Origin"] = c.origins
		if err := opts.CheckOrigin(r); (err == nil) != c.allowed {
			t.Errorf("CheckOrigin of %q = %v, want allowed = %v", c.origins, err, c.allowed)
		}
	}
	wrong := &websocket.AcceptOptions{OriginPatterns: []string{"https://a/b"}}
	if err := wrong.CheckOrigin(httptest.NewRequest(http.MethodGet, "/", nil)); err == nil {
		t.Error("CheckOrigin with a pattern that is none = nil, want the error of Check")
	}
}

// RFC 6455, section 4.2.2: inside TLS; a page that came without TLS is of another
// origin.
//
// Checks 6455-46, 6455-151.
// Security 10.
func TestAcceptTLS(t *testing.T) {
	s := newTestServer(nil)
	s.StartTLS()
	t.Cleanup(s.close)
	exchange := func(edit string) int {
		conn := tls.Client(s.dialRaw(t), &tls.Config{InsecureSkipVerify: true})
		if _, err := conn.Write(upgradeRequest(edit)); err != nil {
			t.Fatal(err)
		}
		resp, _, err := readAnswer(conn)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode
	}
	for origin, want := range map[string]int{"https://example.com": 101, "http://example.com": 403} {
		if got := exchange("Origin: " + origin); got != want {
			t.Errorf("Origin %q over TLS: status %d, want %d", origin, got, want)
		}
	}
	plain := s.dialRaw(t)
	plain.Write(upgradeRequest())
	if all, _ := io.ReadAll(plain); strings.Contains(string(all), "101 Switching") {
		t.Errorf("plain HTTP to the TLS port is answered %q", all)
	}
}

// Frames that came with the request are processed, and the server's own follow the
// answer at once.
//
// Checks 6455-59.
func TestAcceptPipelinedFrames(t *testing.T) { bothWays(t, testAcceptPipelinedFrames) }

func testAcceptPipelinedFrames(t *testing.T, serve serveFunc) {
	s := serve(t, nil)
	request := upgradeRequest()
	big := noise(3, 100<<10)
	for _, text := range []string{"first", "second", string(big)} {
		h := frame.Header{Fin: true, Opcode: frame.Binary, Masked: true, Key: 0x01020304}
		request = wstest.AppendFrame(request, h, []byte(text))
	}
	conn := s.dialRaw(t)
	go conn.Write(request)
	c := s.accepted(t)
	for _, want := range []string{"first", "second", string(big)} {
		mustRead(t, c, websocket.Binary, []byte(want))
	}
	mustWrite(t, c, websocket.Text, []byte("answer"))
	if _, _, err := readAnswer(conn); err != nil {
		t.Fatal(err)
	}
	if _, p, err := wstest.PeerOn(conn).Receive(); err != nil || string(p) != "answer" {
		t.Errorf("Receive() = %q, %v, want answer", p, err)
	}
}

// What is pipelined behind a refused request is never taken for a request.
//
// Checks 6455-35.
// Security 6, 25.
func TestAcceptRefusalClosesConnection(t *testing.T) { bothWays(t, testAcceptRefusalClosesConnection) }

func testAcceptRefusalClosesConnection(t *testing.T, serve serveFunc) {
	s := serve(t, &websocket.AcceptOptions{
		BeforeUpgrade: func(r *http.Request, _ http.Header) error {
			if r.URL.RawQuery == "" {
				return nil
			}
			return &websocket.HandshakeError{Status: 302, Header: http.Header{"Location": {"/else"}}}
		},
	})
	const smuggled = "GET /smuggled HTTP/1.1\r\nHost: example.com\r\n\r\n"
	for _, edits := range [][]string{
		{"POST /echo HTTP/1.1"},
		{"-Upgrade"},
		{"-Connection"},
		{"GET /echo HTTP/1.0"},
		{"GET /echo HTTP/1.0", "Connection: Upgrade, keep-alive"},
		{"Sec-WebSocket-Key: x"},
		{"Sec-WebSocket-Version: 8"},
		{"Origin: http://evil.com"},
		{"GET /echo?refuse HTTP/1.1"},
		{"Sec-WebSocket-Extensions: ;"},
		{"Content-Length: 5"},
		{"Transfer-Encoding: chunked"},
		{"Content-Length: " + fmt.Sprint(len(smuggled))},
		{"Host: a b"},
		{"Host: a", "+Host: b"},
		{"Bad Header: x"},
		{"Connection: Upgrade, keep-alive", "+Sec-WebSocket-Key: x"},
	} {
		resp, _ := s.exchange(t, append(upgradeRequest(edits...), smuggled...))
		if resp.StatusCode < 300 || resp.StatusCode > 499 {
			t.Errorf("%q: status %d, want a refusal", edits, resp.StatusCode)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.others) > 0 {
		t.Errorf("requests for %q came through", s.others)
	}
}

type unwrapping struct{ http.ResponseWriter }

func (u unwrapping) Unwrap() http.ResponseWriter { return u.ResponseWriter }

// Accept works behind wrappers, and says so where it cannot. What they have put
// into the header goes out, but for what would break the answer.
func TestAcceptWrappers(t *testing.T) {
	wrap := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h := w.Header()
			h.Set("X-Request-Id", "1")
			h.Set("Content-Length", "10")
			h.Set("Content-Type", "text/html")
			h.Set("Connection", "keep-alive")
			h["X-Bad"] = []string{"a\r\nInjected: b"}
			next.ServeHTTP(unwrapping{unwrapping{w}}, r)
		})
	}
	s := serve(t, nil, wrap)
	resp, _ := s.exchange(t, upgradeRequest())
	want := http.Header{
		"Upgrade": {"websocket"}, "Connection": {"Upgrade"}, "Sec-Websocket-Accept": {sampleAccept}, "X-Request-Id": {"1"},
	}
	if resp.StatusCode != http.StatusSwitchingProtocols || !equalHeader(resp.Header, want) {
		t.Errorf("answer %d %v, want 101 %v", resp.StatusCode, resp.Header, want)
	}
	s.exchange(t, upgradeRequest("-Sec-WebSocket-Key"))

	sealed := serve(t, nil, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(struct{ http.ResponseWriter }{w}, r)
		})
	})
	resp, _ = sealed.exchange(t, upgradeRequest())
	if e := sealed.refused(t); resp.StatusCode != http.StatusInternalServerError || !errors.Is(e, http.ErrNotSupported) {
		t.Errorf("answer %d, Accept() = %v, want 500 and ErrNotSupported", resp.StatusCode, e)
	}
}

// A GET over HTTP/2 is no handshake.
func TestAcceptHTTP2Get(t *testing.T) {
	s := newTestServer(nil)
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.close)
	resp, err := s.Client().Get(s.URL + "/echo")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if resp.ProtoMajor != 2 || resp.StatusCode != http.StatusMethodNotAllowed || resp.Header.Get("Allow") != http.MethodConnect || err != nil {
		t.Errorf("Get over HTTP/%d = %d, %q, %v, want 405 over HTTP/2", resp.ProtoMajor, resp.StatusCode, body, err)
	}
	s.refused(t)
}

// The context of the connection has the values of the request's.
func TestAcceptContext(t *testing.T) {
	type key struct{}
	s := serve(t, nil, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), key{}, "v")))
		})
	})
	s.exchange(t, upgradeRequest())
	c := s.accepted(t)
	if got := c.Context().Value(key{}); got != "v" || c.Context().Err() != nil {
		t.Errorf("Context().Value() = %v, Err() = %v, want v, nil", got, c.Context().Err())
	}
}
