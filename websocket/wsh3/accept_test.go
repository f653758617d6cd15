package wsh3_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/seed-15847954/ropewalk/websocket"
	"github.com/seed-15847954/ropewalk/websocket/wsh3"
)

// RFC 9220, section 3: an unknown :protocol is answered with 501; the value is
// compared without case, as Upgrade is (RFC 8441, section 5).
// Checks 9220-4.
func TestUnknownProtocol(t *testing.T) {
	checkLeaks(t)
	s := serve(t, echo(nil))
	c := rawDial(t, s)
	for protocol, want := range map[string]int{
		"websocket": 200, "WebSocket": 200, "foo": 501, "connect-udp": 501, "websockets": 501,
	} {
		_, resp := c.connect(t, protocol, handshake())
		if resp.StatusCode != want {
			t.Errorf("status for :protocol %s = %d, want %d", protocol, resp.StatusCode, want)
		}
	}
	c.get(t)
}

// RFC 9220, section 3, with RFC 8441, section 5: refusals are ordinary answers.
func TestRefusals(t *testing.T) {
	checkLeaks(t)
	s := serve(t, echo(&websocket.AcceptOptions{
		BeforeUpgrade: func(r *http.Request, _ http.Header) error {
			if r.Header.Get("Authorization") == "none" {
				return &websocket.HandshakeError{Status: 401, Header: http.Header{"Www-Authenticate": {"Basic"}}}
			}
			return nil
		},
	}))
	c := rawDial(t, s)
	tests := []struct {
		name   string
		header http.Header
		want   int
		answer string // a header that the answer has
	}{
		{"accepted", handshake(), 200, ""},
		{"a key is ignored", handshake("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="), 200, ""},
		{"own origin", handshake("Origin", "https://"+s.addr), 200, ""},
		{"other origin", handshake("Origin", "https://example.com"), 403, ""},
		{"own host without TLS", handshake("Origin", "http://"+s.addr), 403, ""},
		{"no version", http.Header{}, 400, "Sec-Websocket-Version"},
		{"other version", http.Header{"Sec-Websocket-Version": {"8"}}, 400, "Sec-Websocket-Version"},
		{"malformed extensions", handshake("Sec-WebSocket-Extensions", "a;;=;"), 400, ""},
		{"malformed subprotocols", handshake("Sec-WebSocket-Protocol", "a b"), 400, ""},
		{"hook", handshake("Authorization", "none"), 401, "Www-Authenticate"},
		{"early data at a proxy", handshake("Early-Data", "1"), 425, ""},
	}
	for _, test := range tests {
		str, resp := c.connect(t, "websocket", test.header)
		if resp.StatusCode != test.want {
			t.Errorf("%s: status %d, want %d", test.name, resp.StatusCode, test.want)
		}
		if test.answer != "" && resp.Header.Get(test.answer) == "" {
			t.Errorf("%s: no %s in the answer", test.name, test.answer)
		}
		if resp.StatusCode == http.StatusOK {
			str.CancelWrite(cancelled)
			continue
		}
		if body, err := io.ReadAll(resp.Body); err != nil || len(body) == 0 {
			t.Errorf("%s: body %q, %v, want a text and FIN", test.name, body, err)
		}
	}
	r, err := http.NewRequestWithContext(waiting(t), http.MethodGet, "https://"+s.addr+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.RoundTrip(r)
	if err != nil || resp.StatusCode != http.StatusMethodNotAllowed || resp.Header.Get("Allow") != http.MethodConnect {
		t.Errorf("GET = %v, %v, want 405 with Allow: CONNECT", resp, err)
	}
}

// RFC 9220, section 3, with RFC 8441, section 5: there are no headers of the
// connection, and neither key nor accept value.
// Checks 9220-7.
func TestHeadersOfTheConnection(t *testing.T) {
	checkLeaks(t)
	s := serve(t, echo(nil))
	c := rawDial(t, s)
	for _, name := range []string{"connection", "upgrade", "keep-alive", "proxy-connection", "transfer-encoding"} {
		str, err := c.quic.OpenStreamSync(waiting(t))
		if err != nil {
			t.Fatal(err)
		}
		send(t, str, headersFrame(":method", "CONNECT", ":protocol", "websocket", ":scheme", "https", ":authority", s.addr,
			":path", "/", "sec-websocket-version", "13", name, "websocket"))
		wantReset(t, str, quic.StreamErrorCode(http3.ErrCodeMessageError))
	}
	_, resp := c.connect(t, "websocket", handshake("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="))
	for _, name := range []string{"Connection", "Upgrade", "Sec-Websocket-Accept", "Sec-Websocket-Key", "Content-Length"} {
		if _, found := resp.Header[name]; found {
			t.Errorf("the answer has %s", name)
		}
	}
	c.get(t) // a malformed request ends its own stream alone
}

// RFC 9220, section 3: the pseudo-headers of RFC 8441 are all there, once.
func TestMalformedRequests(t *testing.T) {
	checkLeaks(t)
	s := serve(t, echo(nil))
	c := rawDial(t, s)
	full := []string{":method", "CONNECT", ":protocol", "websocket", ":scheme", "https", ":authority", s.addr, ":path", "/"}
	var tests [][]string
	for i := 4; i < len(full); i += 2 {
		without := append(append([]string{}, full[:i]...), full[i+2:]...)
		twice := append(append([]string{}, full...), full[i], full[i+1])
		tests = append(tests, without, twice)
	}
	tests = append(tests,
		append(append([]string{}, full...), ":protocol", "websocket"),
		append([]string{":method", "GET"}, full[2:]...), // :protocol on GET
	)
	for _, test := range tests {
		str, err := c.quic.OpenStreamSync(waiting(t))
		if err != nil {
			t.Fatal(err)
		}
		send(t, str, headersFrame(append(test, "sec-websocket-version", "13")...))
		wantReset(t, str, quic.StreamErrorCode(http3.ErrCodeMessageError))
	}
	c.get(t)
}

// One handler serves all versions of HTTP.
func TestOneHandler(t *testing.T) {
	checkLeaks(t)
	handler := echo(&websocket.AcceptOptions{Subprotocols: []string{"chat"}})
	plain := httptest.NewServer(handler)
	t.Cleanup(plain.Close)
	s := serve(t, handler)
	for url, connector := range map[string]websocket.Connector{
		"ws" + strings.TrimPrefix(plain.URL, "http"): nil,
		s.url(): transport(t),
	} {
		c, _, err := websocket.Dial(waiting(t), url, &websocket.DialOptions{Connector: connector, Subprotocols: []string{"chat"}})
		if err != nil {
			t.Fatalf("Dial(%s): %v", url, err)
		}
		defer c.CloseNow()
		if got := c.Subprotocol(); got != "chat" {
			t.Errorf("%s: subprotocol %q, want chat", url, got)
		}
		wantEcho(t, c, websocket.Text, []byte("over one handler"))
		if c.LocalAddr() == nil || c.RemoteAddr() == nil {
			t.Errorf("%s: addresses %v, %v", url, c.LocalAddr(), c.RemoteAddr())
		}
		if err := c.Close(websocket.CloseNormal, ""); err != nil {
			t.Errorf("%s: Close: %v", url, err)
		}
	}
}

// websocket.Accept opens tunnels behind wsh3.Handler, and behind wrappers of the
// ResponseWriter.
func TestHandler(t *testing.T) {
	checkLeaks(t)
	remote := make(chan string, 1)
	next := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer c.CloseNow()
		remote <- c.RemoteAddr().String()
		typ, p, err := c.Read(context.Background())
		if err == nil {
			err = c.Write(context.Background(), typ, p)
		}
		if err == nil {
			_, _, _ = c.Read(context.Background()) // the client sees how it ends
		}
	})
	wrapped := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(&wrapper{w}, r)
	})
	s := serve(t, wsh3.Handler(wrapped))
	c := dial(t, s.url(), nil)
	if got := receive(t, remote); !strings.HasPrefix(got, "127.0.0.1:") {
		t.Errorf("RemoteAddr = %s", got)
	}
	wantEcho(t, c, websocket.Text, []byte("behind wrappers"))
	if err := c.Close(websocket.CloseNormal, ""); err != nil {
		t.Errorf("Close: %v", err)
	}
	raw := rawDial(t, s)
	if _, resp := raw.connect(t, "websocket", handshake("Early-Data", "1")); resp.StatusCode != http.StatusTooEarly {
		t.Errorf("status in early data = %d, want 425", resp.StatusCode)
	}
	if _, resp := raw.connect(t, "foo", handshake()); resp.StatusCode != http.StatusNotImplemented {
		t.Errorf("status for :protocol foo = %d, want 501", resp.StatusCode)
	}
	raw.get(t)
}

// websocket.Handler serves all versions; behind wsh3.Handler, HTTP/3 too.
func TestSharedHandler(t *testing.T) {
	checkLeaks(t)
	s := serve(t, wsh3.Handler(websocket.Handler{Serve: func(c *websocket.Conn, r *http.Request) {
		typ, p, err := c.Read(r.Context())
		if err == nil {
			err = c.Write(r.Context(), typ, p)
		}
		if err != nil {
			t.Errorf("Serve: %v", err)
		}
	}}))
	c := dial(t, s.url(), nil)
	wantEcho(t, c, websocket.Text, []byte("hello"))
	_, _, err := c.Read(waiting(t))
	if e := closeError(t, err); e.Code != websocket.CloseNormal || !e.Remote {
		t.Errorf("when Serve has returned, Read = %v, want 1000", err)
	}
}

// A wrapper is what middleware puts around a ResponseWriter.
type wrapper struct{ http.ResponseWriter }

func (w *wrapper) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// A ResponseWriter that is none of quic-go cannot be accepted, and says so.
func TestAcceptForeignWriter(t *testing.T) {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "https://example.com/", nil)
	r.Method, r.Proto, r.ProtoMajor, r.ContentLength = http.MethodConnect, "websocket", 3, -1
	r.Header.Set("Sec-WebSocket-Version", "13")
	r.TLS.HandshakeComplete = true
	_, err := wsh3.Accept(w, r, nil)
	if e, ok := errors.AsType[*websocket.HandshakeError](err); !ok || e.Status != 500 || w.Code != 500 {
		t.Errorf("Accept = %v with status %d, want a HandshakeError with 500", err, w.Code)
	}
}
