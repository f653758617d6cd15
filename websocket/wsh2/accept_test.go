package wsh2_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/seed-15847954/ropewalk/websocket"
	"github.com/seed-15847954/ropewalk/websocket/frame"
	"golang.org/x/net/http2"
)

// RFC 8441, section 5: success is 200 and never 101; after it the stream's DATA
// carries the frames of RFC 6455, those of the client masked. Borders of DATA mean
// nothing.
//
// Checks 8441-1, 8441-15, 8441-16, 8441-17.
func TestAcceptRaw(t *testing.T) {
	checkLeaks(t)
	s := serve(t, nil, echo)
	p := s.dial(t)
	p.head(1, false, connect()...)
	head := p.answer(1)
	if status := head.PseudoValue("status"); status != "200" || head.StreamEnded() {
		t.Fatalf("answer %q, want status 200 and an open stream", head.Fields)
	}
	for _, f := range head.RegularFields() {
		switch f.Name {
		case "connection", "upgrade", "transfer-encoding", "sec-websocket-accept", "content-length":
			t.Errorf("the answer has %v", f)
		}
	}
	hello := message(frame.Text, true, "hello")
	for i := range hello { // one byte a frame, every other padded
		p.must(p.WriteDataPadded(1, false, hello[i:i+1], make([]byte, i%2*7)))
	}
	if got, want := p.take(1, 7), message(frame.Text, false, "hello"); !bytes.Equal(got, want) {
		t.Errorf("echo = %x, want %x", got, want)
	}
	both := append(message(frame.Text, true, "a"), message(frame.Binary, true, "b")...)
	p.must(p.WriteData(1, false, both))
	if got, want := p.take(1, 6), append(message(frame.Text, false, "a"), message(frame.Binary, false, "b")...); !bytes.Equal(got, want) {
		t.Errorf("echo = %x, want %x", got, want)
	}
	p.must(p.WriteData(1, false, message(frame.Close, true, "\x03\xe8bye")))
	data, ended, reset := p.rest(1)
	if want := message(frame.Close, false, "\x03\xe8"); !bytes.Equal(data, want) || !ended || reset >= 0 {
		t.Errorf("the end is %x, END_STREAM %v, RST_STREAM %d, want %x and END_STREAM", data, ended, reset, want)
	}
}

// RFC 8441, sections 3 to 5: what a server refuses, and how. Each refusal is an
// ordinary answer, and the connection lives on.
//
// Checks 8441-4, 8441-5, 8441-6, 8441-7, 8441-10, 8441-12, 8441-13, 8441-14, 8441-19.
func TestAcceptRefuses(t *testing.T) {
	checkLeaks(t)
	s := serve(t, nil, echo)
	// The setting of a client has no effect, whatever it says.
	p := s.dial(t, http2.Setting{ID: http2.SettingEnableConnectProtocol, Val: 0})
	p.must(p.WriteSettings(http2.Setting{ID: http2.SettingEnableConnectProtocol, Val: 1}))
	stream := uint32(1)
	for _, test := range []struct {
		edits string // separated by "; "
		want  string // a status, or "reset" with the error code
	}{
		{"", "200"},
		{":protocol: WebSocket", "200"}, // as some proxies pass it on
		{"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==", "200"},
		{"sec-websocket-key: not a key", "200"},
		{"origin: http://example.com", "200"},
		{":protocol: foo", "501"},
		{":protocol: ", "reset 1"}, // an ordinary CONNECT has no :path
		{":method: GET", "405"},
		{":method: POST", "405"},
		{"+:protocol: websocket", "reset 1"},
		{"-:path", "reset 1"},
		{"-:authority", "400"},
		{":authority: a b", "400"},
		{":authority: user@example.com", "reset 1"},
		{"-sec-websocket-version", "400"},
		{"sec-websocket-version: 8", "400"},
		{"+sec-websocket-version: 13", "400"},
		{"origin: http://evil.example", "403"},
		{"+origin: http://example.com; +origin: http://example.com", "403"},
		{"sec-websocket-protocol: a b", "400"},
		{"sec-websocket-extensions: ;", "400"},
		{"content-length: 5", "400"},
		{"connection: upgrade", "400"},
		{"upgrade: websocket", "400"},
	} {
		var edits []string
		if test.edits != "" {
			edits = strings.Split(test.edits, "; ")
		}
		p.head(stream, false, connect(edits...)...)
		status, reset := p.status(stream)
		if got := strings.TrimPrefix(fmt.Sprintf("%s|reset %d", status, reset), "|"); !strings.HasPrefix(got, test.want) {
			t.Errorf("%q: %s, want %s", test.edits, got, test.want)
		}
		if status == "200" {
			p.must(p.WriteRSTStream(stream, http2.ErrCodeCancel))
		} else if reset == 0 {
			if _, ended, _ := p.rest(stream); !ended {
				t.Errorf("%q: the refusal has no END_STREAM", test.edits)
			}
		}
		stream += 2
	}
}

// RFC 6455, section 4.4, in the words of HTTP/2: the refusal of a version names the
// one that is spoken, and not with 426, which needs an Upgrade.
func TestAcceptRefusalHeader(t *testing.T) {
	s := serve(t, nil, echo)
	p := s.dial(t)
	p.head(1, false, connect("sec-websocket-version: 12")...)
	head := p.answer(1)
	fields := map[string]string{}
	for _, f := range head.Fields {
		fields[f.Name] = f.Value
	}
	if fields[":status"] != "400" || fields["sec-websocket-version"] != "13" || fields["connection"] != "" || fields["upgrade"] != "" {
		t.Errorf("the answer is %v", fields)
	}
	if err := s.outcome(t); !isRefused(err, http.StatusBadRequest) {
		t.Errorf("Accept() = %v, want a *HandshakeError of status 400", err)
	}
	if body, ended, reset := p.rest(1); !strings.Contains(string(body), "13") || !ended || reset > 0 {
		t.Errorf("the body is %q, END_STREAM %v, RST_STREAM %d", body, ended, reset)
	}
}

// A stream whose HEADERS end it is no tunnel.
func TestAcceptEndedStream(t *testing.T) {
	p := serve(t, nil, echo).dial(t)
	p.head(1, true, connect()...)
	if status := p.answer(1).PseudoValue("status"); status != "400" {
		t.Errorf("status %s, want 400", status)
	}
}

// Subprotocol, extension, hook and the headers set before work as over HTTP/1.1.
//
// Checks 8441-14.
func TestAcceptAgrees(t *testing.T) {
	checkLeaks(t)
	s := serve(t, &websocket.AcceptOptions{
		Subprotocols: []string{"b"}, Compression: &websocket.Compression{},
		BeforeUpgrade: func(r *http.Request, h http.Header) error {
			h.Set("X-Path", r.URL.Path)
			if r.Header.Get("X-Refuse") != "" {
				return &websocket.HandshakeError{Status: 401, Header: http.Header{"Www-Authenticate": {"Basic"}}}
			}
			return nil
		},
	}, echo)
	p := s.dial(t)
	p.head(1, false, connect("sec-websocket-protocol: a, b", "sec-websocket-extensions: permessage-deflate")...)
	fields := map[string]string{}
	for _, f := range p.answer(1).Fields {
		fields[f.Name] = f.Value
	}
	if fields["sec-websocket-protocol"] != "b" || fields["sec-websocket-extensions"] != "permessage-deflate" || fields["x-path"] != "/ws" {
		t.Errorf("the answer is %v", fields)
	}
	p.must(p.WriteRSTStream(1, http2.ErrCodeCancel))
	p.head(3, false, connect("x-refuse: 1")...)
	head := p.answer(3)
	if status := head.PseudoValue("status"); status != "401" {
		t.Errorf("status %s of a refused request, want 401", status)
	}
}

// RFC 8441, section 4: the server makes no tunnel to :authority, which only says who
// is asked.
//
// Checks 8441-7, 8441-8.
func TestAcceptAuthority(t *testing.T) {
	s := serve(t, nil, echo)
	p := s.dial(t)
	elsewhere := serve(t, nil, echo)
	p.head(1, false, connect(":authority: "+elsewhere.Listener.Addr().String())...)
	if status := p.answer(1).PseudoValue("status"); status != "200" {
		t.Fatalf("status %s, want 200", status)
	}
	if got := s.request().Host; got != elsewhere.Listener.Addr().String() {
		t.Errorf("Host = %q, want :authority", got)
	}
	if len(elsewhere.outcomes) != 0 {
		t.Error("the server asked the one that :authority names")
	}
}

// The body of a GET beside a WebSocket.
func (p *peer) get(stream uint32) string {
	p.t.Helper()
	p.head(stream, true, ":method: GET", ":scheme: http", ":path: /get", ":authority: example.com")
	var body []byte
	for {
		f := p.next()
		if f.Header().StreamID != stream {
			continue
		}
		if d, ok := f.(*http2.DataFrame); ok {
			body = append(body, d.Data()...)
			if d.StreamEnded() {
				return string(body)
			}
		}
	}
}

// RFC 8441, section 5: RST_STREAM stands for a reset, at either end, and hurts no
// other stream.
//
// Checks 8441-17.
func TestAcceptReset(t *testing.T) {
	checkLeaks(t)
	ends := make(chan error, 1)
	s := serve(t, nil, func(c *websocket.Conn) {
		typ, p, err := c.Read(t.Context())
		if err == nil && string(p) == "reset" {
			c.CloseNow()
			ends <- nil
			return
		}
		if err == nil {
			c.Write(t.Context(), typ, p)
			_, _, err = c.Read(t.Context())
		}
		ends <- err
	})
	p := s.dial(t)
	p.head(1, false, connect()...)
	p.answer(1)
	p.must(p.WriteRSTStream(1, http2.ErrCodeCancel))
	if err := <-ends; codeOf(err) != websocket.CloseAbnormal {
		t.Errorf("Read() after RST_STREAM = %v, want 1006", err)
	}
	p.head(3, false, connect()...)
	p.answer(3)
	p.must(p.WriteData(3, false, message(frame.Text, true, "reset")))
	<-ends
	if data, ended, reset := p.rest(3); len(data) > 0 || ended || reset <= 0 {
		t.Errorf("CloseNow sends %x, END_STREAM %v, RST_STREAM %d, want a reset", data, ended, reset)
	}
	if got := p.get(5); got != "got" {
		t.Errorf("GET beside it = %q", got)
	}
}

// END_STREAM without a Close frame is the end of TCP without one: 1006.
//
// Checks 8441-17.
func TestAcceptEndWithoutClose(t *testing.T) {
	checkLeaks(t)
	ends := make(chan error, 1)
	s := serve(t, nil, func(c *websocket.Conn) {
		_, _, err := c.Read(t.Context())
		ends <- err
	})
	p := s.dial(t)
	p.head(1, false, connect()...)
	p.answer(1)
	p.must(p.WriteData(1, true, nil))
	if err := <-ends; codeOf(err) != websocket.CloseAbnormal {
		t.Errorf("Read() after END_STREAM = %v, want 1006 and io.ErrUnexpectedEOF (%v)", err, io.ErrUnexpectedEOF)
	}
	if _, ended, reset := p.rest(1); !ended || reset >= 0 {
		t.Errorf("END_STREAM %v, RST_STREAM %d, want END_STREAM", ended, reset)
	}
}
