package websocket_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-15847954/ropewalk/websocket"
	"github.com/seed-15847954/ropewalk/websocket/frame"
	"github.com/seed-15847954/ropewalk/websocket/wstest"
)

// dialingTo returns options whose connections all go to one address.
func dialingTo(address string, opts websocket.DialOptions) *websocket.DialOptions {
	opts.Proxy = websocket.NoProxy
	opts.NetDialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	return &opts
}

// Both sides of this package understand each other.
//
// Checks 6455-7, 6455-151, 7692-1, 7692-2.
func TestDialAccept(t *testing.T) {
	for _, secure := range []bool{false, true} {
		s := newTestServer(&websocket.AcceptOptions{Subprotocols: []string{"b"}, Compression: &websocket.Compression{}})
		opts := &websocket.DialOptions{Subprotocols: []string{"a", "b"}, Compression: &websocket.Compression{}}
		if secure {
			s.StartTLS()
			opts.TLSConfig = s.Client().Transport.(*http.Transport).TLSClientConfig
		} else {
			s.Start()
		}
		t.Cleanup(s.close)
		client, resp, err := websocket.Dial(soon(t), "ws"+strings.TrimPrefix(s.URL, "http")+"/echo", opts)
		if err != nil {
			t.Fatalf("Dial(%s) = %v", s.URL, err)
		}
		defer client.CloseNow()
		server := s.accepted(t)
		if resp.StatusCode != http.StatusSwitchingProtocols || client.Subprotocol() != "b" || !client.Compressed() || client.Role() != websocket.Client {
			t.Errorf("Dial() = status %d, subprotocol %q, compressed %v, want 101, b, true", resp.StatusCode, client.Subprotocol(), client.Compressed())
		}
		message := []byte(strings.Repeat("rope", 1000))
		mustWrite(t, client, websocket.Text, message)
		mustRead(t, server, websocket.Text, message)
		mustWrite(t, server, websocket.Text, message)
		mustRead(t, client, websocket.Text, message)
	}
}

// RFC 6455, section 4.1: the request, to the byte.
//
// Checks 6455-13, 6455-14, 6455-15, 6455-16, 6455-17, 6455-18, 6455-20, 6455-21,
// Checks 6455-23, 6455-2.
func TestDialRequest(t *testing.T) {
	s := answering(t, acceptAnswer("Sec-WebSocket-Protocol: b"))
	opts := dialingTo(s.listener.Addr().String(), websocket.DialOptions{
		HTTPHeader:   http.Header{"origin": {"https://example.com"}, "X-A": {"1", "2"}},
		Subprotocols: []string{"b", "a"}, Compression: &websocket.Compression{},
	})
	for _, test := range []struct {
		url  string
		opts *websocket.DialOptions
		want string
	}{
		{"ws://h.test/a%20b?q=%23", dialingTo(s.listener.Addr().String(), websocket.DialOptions{Subprotocols: []string{"b"}}), "GET /a%20b?q=%23 HTTP/1.1\r\n" +
			"Host: h.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: KEY\r\nSec-WebSocket-Version: 13\r\n" +
			"Sec-WebSocket-Protocol: b\r\n\r\n"},
		{"ws://u:p@h.test:8080", opts, "GET / HTTP/1.1\r\n" +
			"Host: h.test:8080\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: KEY\r\nSec-WebSocket-Version: 13\r\n" +
			"Sec-WebSocket-Protocol: b, a\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n" +
			"Authorization: Basic dTpw\r\nOrigin: https://example.com\r\nX-A: 1\r\nX-A: 2\r\n\r\n"},
	} {
		c, _, err := websocket.Dial(soon(t), test.url, test.opts)
		if err != nil {
			t.Fatalf("Dial(%q) = %v", test.url, err)
		}
		c.CloseNow()
		s.mu.Lock()
		got := s.heads[len(s.heads)-1]
		s.mu.Unlock()
		_, key, _ := strings.Cut(got, "Sec-WebSocket-Key: ")
		key, _, _ = strings.Cut(key, "\r\n")
		if got = strings.Replace(got, key, "KEY", 1); got != test.want || len(key) != 24 {
			t.Errorf("Dial(%q) sends %q, want %q", test.url, got, test.want)
		}
	}
}

// RFC 6455, section 4.1: every connection has a key of its own.
//
// Checks 6455-19.
func TestDialKeys(t *testing.T) {
	s := answering(t, fixedAnswer("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"))
	for range 20 {
		websocket.Dial(soon(t), s.url(), nil)
	}
	keys := make(map[string]bool)
	for _, r := range s.seen() {
		keys[r.Header.Get("Sec-WebSocket-Key")] = true
	}
	if len(keys) != 20 {
		t.Errorf("20 requests have %d different keys, want 20", len(keys))
	}
}

// What is wrong with the URL or the options is found before anything is sent.
//
// Checks 6455-3, 6455-22, 6455-24.
func TestDialRefusesToSend(t *testing.T) {
	opts := func(o websocket.DialOptions) *websocket.DialOptions {
		o.NetDialContext = func(context.Context, string, string) (net.Conn, error) {
			t.Error("a connection was opened")
			return nil, errors.New("no")
		}
		return &o
	}
	header := func(name, value string) *websocket.DialOptions {
		return opts(websocket.DialOptions{HTTPHeader: http.Header{name: {value}}})
	}
	protocols := func(p ...string) *websocket.DialOptions { return opts(websocket.DialOptions{Subprotocols: p}) }
	const good = "ws://example.com/"
	for _, test := range []struct {
		url  string
		opts *websocket.DialOptions
	}{
		{"http+ws://h", opts(websocket.DialOptions{})},
		{"ws://", opts(websocket.DialOptions{})},
		{"ws://h:99999", opts(websocket.DialOptions{})},
		{"ws://h:x", opts(websocket.DialOptions{})},
		{"ws://h/p#f", opts(websocket.DialOptions{})},
		{good, protocols("")},
		{good, protocols("a b")},
		{good, protocols("a,b")},
		{good, protocols("é")},
		{good, protocols("a", "b", "a")},
		{good, protocols("a\r\nX: y")},
		{good, header("Upgrade", "h2c")},
		{good, header("upgrade", "h2c")},
		{good, header("Connection", "close")},
		{good, header("Host", "other")},
		{good, header("Sec-WebSocket-Key", sampleKey)},
		{good, header("sec-websocket-version", "8")},
		{good, header("Sec-WebSocket-Protocol", "a")},
		{good, header("Sec-WebSocket-Extensions", "x")},
		{good, header("Content-Length", "5")},
		{good, header("Transfer-Encoding", "chunked")},
		{good, header("Expect", "100-continue")},
		{good, header("X", "a\r\nUpgrade: h2c")},
		{good, header("X", "a\nb")},
		{good, header("X", "a\x00")},
		{good, header("X\r\nY", "a")},
		{good, header("X Y", "a")},
		{good, header("", "a")},
		{good, opts(websocket.DialOptions{Host: "a\r\nX: y"})},
		{good, opts(websocket.DialOptions{Host: "a b"})},
		{good, opts(websocket.DialOptions{Compression: &websocket.Compression{WindowBits: 16}})},
	} {
		if c, _, err := websocket.Dial(soon(t), test.url, test.opts); err == nil {
			t.Errorf("Dial(%q, %+v) = %v, nil, want an error", test.url, test.opts, c)
		}
	}
}

// RFC 6455, section 4.1: TLS first, with SNI, the certificate verified, and nothing
// outside it.
//
// Checks 6455-10, 6455-11, 6455-12, 6455-151.
func TestDialTLS(t *testing.T) {
	soonExpired := time.Now().Add(12 * time.Hour)
	good, goodRoots := certificateFor(t, soonExpired, "h.test", "127.0.0.1")
	old, oldRoots := certificateFor(t, time.Now().Add(-time.Hour), "h.test")
	for _, test := range []struct {
		name   string
		url    string
		cert   tls.Certificate
		config *tls.Config
		sni    string
		ok     bool
	}{
		{"trusted", "wss://h.test/", good, &tls.Config{RootCAs: goodRoots}, "h.test", true},
		{"upper case", "wss://H.TEST/", good, &tls.Config{RootCAs: goodRoots}, "h.test", true},
		{"IP address", "wss://127.0.0.1/", good, &tls.Config{RootCAs: goodRoots}, "", true},
		{"own ServerName", "wss://other.test/", good, &tls.Config{RootCAs: goodRoots, ServerName: "h.test"}, "h.test", true},
		{"insecure", "wss://other.test/", old, &tls.Config{InsecureSkipVerify: true}, "other.test", true},
		{"self-signed", "wss://h.test/", good, nil, "h.test", false},
		{"wrong name", "wss://other.test/", good, &tls.Config{RootCAs: goodRoots}, "other.test", false},
		{"expired", "wss://h.test/", old, &tls.Config{RootCAs: oldRoots}, "h.test", false},
	} {
		hello := make(chan *tls.ClientHelloInfo, 1)
		server := &tls.Config{
			Certificates: []tls.Certificate{test.cert}, NextProtos: []string{"h2", "http/1.1"},
			GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
				hello <- h
				return nil, nil
			},
		}
		s := answeringOver(t, acceptAnswer(), overTLS(server))
		c, _, err := websocket.Dial(soon(t), test.url, dialingTo(s.listener.Addr().String(), websocket.DialOptions{TLSConfig: test.config}))
		if (err == nil) != test.ok {
			t.Errorf("%s: Dial() = %v, want ok = %v", test.name, err, test.ok)
		}
		if err == nil {
			c.CloseNow()
		} else if n := len(s.seen()); n > 0 {
			t.Errorf("%s: %d requests were sent", test.name, n)
		}
		if h := <-hello; h.ServerName != test.sni || !slices.Equal(h.SupportedProtos, []string{"http/1.1"}) {
			t.Errorf("%s: SNI %q, ALPN %q, want %q, http/1.1", test.name, h.ServerName, h.SupportedProtos, test.sni)
		}
	}
	plain := answering(t, acceptAnswer())
	if c, _, err := websocket.Dial(soon(t), "wss"+strings.TrimPrefix(plain.url(), "ws"), nil); err == nil {
		t.Errorf("wss to a server without TLS: Dial() = %v, nil, want an error", c)
	}
	if n := len(plain.seen()); n > 0 {
		t.Errorf("wss to a server without TLS: %d requests in the clear", n)
	}
}

// Cookies of the jar go out and come in, on refusals too.
//
// Checks 6455-24.
func TestDialCookies(t *testing.T) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	answers := []string{"HTTP/1.1 401 Unauthorized\r\nSet-Cookie: session=1; HttpOnly\r\nContent-Length: 0\r\n\r\n"}
	s := answering(t, func(r *http.Request) string {
		if len(answers) > 0 {
			answer := answers[0]
			answers = answers[1:]
			return answer
		}
		return acceptAnswer("Set-Cookie: late=2")(r)
	})
	opts := &websocket.DialOptions{Jar: jar, HTTPHeader: http.Header{"Cookie": {"own=0"}}}
	if _, _, err := websocket.Dial(soon(t), s.url(), opts); err == nil {
		t.Fatal("Dial() = nil, want the refusal")
	}
	for _, want := range []string{"own=0; session=1", "own=0; session=1; late=2"} {
		c, _, err := websocket.Dial(soon(t), s.url(), opts)
		if err != nil {
			t.Fatal(err)
		}
		c.CloseNow()
		seen := s.seen()
		if got := seen[len(seen)-1].Header.Values("Cookie"); !slices.Equal(got, []string{want}) {
			t.Errorf("Cookie = %q, want %q", got, want)
		}
	}
	secure, err := url.Parse("http://other.test/")
	if err != nil {
		t.Fatal(err)
	}
	if got := jar.Cookies(secure); len(got) > 0 {
		t.Errorf("cookies for another host = %v, want none", got)
	}
}

// Userinfo is Basic authentication, unless the application has its own.
//
// Checks 6455-150.
func TestDialAuthorization(t *testing.T) {
	s := answering(t, acceptAnswer())
	for _, test := range []struct{ user, own, want string }{
		{"", "", ""},
		{"u:p@", "", "Basic dTpw"},
		{"u:p@", "Bearer x", "Bearer x"},
	} {
		opts := &websocket.DialOptions{HTTPHeader: http.Header{}}
		if test.own != "" {
			opts.HTTPHeader.Set("Authorization", test.own)
		}
		c, _, err := websocket.Dial(soon(t), strings.Replace(s.url(), "//", "//"+test.user, 1), opts)
		if err != nil {
			t.Fatal(err)
		}
		c.CloseNow()
		seen := s.seen()
		if got := seen[len(seen)-1].Header.Get("Authorization"); got != test.want {
			t.Errorf("user %q, own %q: Authorization = %q, want %q", test.user, test.own, got, test.want)
		}
	}
}

// The names that a user types reach the server as section 11.1.1 says.
//
// Checks 6455-68, 6455-69, 6455-1.
func TestDialEncodes(t *testing.T) {
	s := answering(t, acceptAnswer())
	opts := dialingTo(s.listener.Addr().String(), websocket.DialOptions{})
	for _, test := range []struct{ url, host, target string }{
		{"ws://bücher.localhost/", "xn--bcher-kva.localhost", "/"},
		{"ws://h.test/ä?ö", "h.test", "/%C3%A4?%C3%B6"},
		{"ws://h.test/a%23b", "h.test", "/a%23b"},
		{"ws://[::1]:90/", "[::1]:90", "/"},
		{"ws://[fe80::1%25lo]/", "[fe80::1]", "/"},
	} {
		c, _, err := websocket.Dial(soon(t), test.url, opts)
		if err != nil {
			t.Errorf("Dial(%q) = %v", test.url, err)
			continue
		}
		c.CloseNow()
		seen := s.seen()
		if r := seen[len(seen)-1]; r.Host != test.host || r.RequestURI != test.target {
			t.Errorf("Dial(%q) sends Host %q, target %q, want %q, %q", test.url, r.Host, r.RequestURI, test.host, test.target)
		}
	}
	opts.Host = "front.test:81"
	c, _, err := websocket.Dial(soon(t), "ws://h.test/", opts)
	if err != nil {
		t.Fatal(err)
	}
	c.CloseNow()
	if seen := s.seen(); seen[len(seen)-1].Host != "front.test:81" {
		t.Errorf("Host = %q, want front.test:81", seen[len(seen)-1].Host)
	}
}

// The connection outlives the context that it was opened with, and has its values.
func TestDialContext(t *testing.T) {
	type key struct{}
	s := answering(t, acceptAnswer())
	ctx, cancel := context.WithCancel(context.WithValue(soon(t), key{}, "v"))
	c, _, err := websocket.Dial(ctx, s.url(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	cancel()
	if err := c.Context().Err(); err != nil || c.Context().Value(key{}) != "v" {
		t.Errorf("Context() has Err %v, Value %v, want nil, v", err, c.Context().Value(key{}))
	}
	peer := wstest.PeerOn(s.conn(t))
	if err := peer.SendFrame(frame.Header{Fin: true, Opcode: frame.Text}, []byte("on")); err != nil {
		t.Fatal(err)
	}
	mustRead(t, c, websocket.Text, []byte("on"))
}

// Errors hold no secrets.
//
// Security 19.
func TestDialErrorSecrets(t *testing.T) {
	s := answering(t, fixedAnswer("nonsense\r\n\r\n"))
	withSecrets := strings.Replace(s.url(), "//", "//u:s3cret@", 1) + "s3cret?token=s3cret"
	for _, opts := range []*websocket.DialOptions{
		nil,
		{NetDialContext: func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("down") }},
		{Proxy: func(*url.URL) (*url.URL, error) { return url.Parse("http://u:s3cret@127.0.0.1:1") }},
		{Proxy: func(*url.URL) (*url.URL, error) { return url.Parse("ftp://u:s3cret@127.0.0.1:1") }},
	} {
		_, _, err := websocket.Dial(soon(t), withSecrets, opts)
		if err == nil || strings.Contains(fmt.Sprintf("%v %+v", err, err), "s3cret") {
			t.Errorf("Dial() = %v, want an error without the secret", err)
		}
	}
}
