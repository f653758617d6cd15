package websocket_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15847954/ropewalk/websocket"
	"github.com/seed-15847954/ropewalk/websocket/frame"
	"github.com/seed-15847954/ropewalk/websocket/wstest"
)

// RFC 6455, section 4.1: the answers that open a connection.
//
// Checks 6455-27, 6455-28, 6455-29, 6455-31, 6455-64, 6455-67.
func TestDialAnswers(t *testing.T) {
	for _, edits := range [][]string{
		nil,
		{"HTTP/1.1 101 Fine"},
		{"HTTP/1.1 101"},
		{"Upgrade: WebSocket"},
		{"Connection: keep-alive, UpGrAdE"},
		{"Connection: keep-alive", "+Connection: upgrade"},
		{"Sec-WebSocket-Accept: \t {accept} \t"},
		{"Sec-WebSocket-Protocol: a"},
		{"Sec-WebSocket-Extensions: permessage-deflate"},
		{"Sec-WebSocket-Extensions: permessage-deflate", "+Sec-WebSocket-Extensions:"},
		{"Sec-WebSocket-Version: 13", "+Sec-WebSocket-Version: 8"},
		{"Content-Length: 0"},
		{"Set-Cookie: a=b", "Date: x", "X-Unknown: ä"},
	} {
		s := answering(t, acceptAnswer(edits...))
		c, resp, err := websocket.Dial(soon(t), s.url(), &websocket.DialOptions{
			Subprotocols: []string{"a"}, Compression: &websocket.Compression{},
		})
		if err != nil {
			t.Errorf("answer %q: Dial() = %v", edits, err)
			continue
		}
		if got := resp.Header.Get("Sec-WebSocket-Protocol"); c.Subprotocol() != got {
			t.Errorf("answer %q: Subprotocol() = %q, want %q", edits, c.Subprotocol(), got)
		}
		c.CloseNow()
	}
}

// RFC 6455, section 4.1: the answers that fail the handshake.
//
// Checks 6455-26, 6455-27, 6455-28, 6455-29, 6455-30, 6455-31, 6455-32, 6455-65,
// Checks 6455-66, 6455-140, 6455-60, 7692-7, 7692-19, 7692-20, 7692-21.
// Security 7.
func TestDialAnswersThatFail(t *testing.T) {
	const deflate = "Sec-WebSocket-Extensions: permessage-deflate"
	for _, edits := range [][]string{
		{"HTTP/1.0 101 Switching Protocols"},
		{"HTTP/1.1 200 OK", "Content-Length: 0"},
		{"HTTP/1.1 404 Not Found", "Content-Length: 0"},
		{"-Upgrade"},
		{"Upgrade: h2c"},
		{"Upgrade: websocket, foo"},
		{"Upgrade: websocket", "+Upgrade: websocket"},
		{"Upgrade: \u212aebsocket"},
		{"-Connection"},
		{"Connection: keep-alive"},
		{"Connection: upgrade-insecure"},
		{"-Sec-WebSocket-Accept"},
		{"Sec-WebSocket-Accept: " + sampleAccept},
		{"Sec-WebSocket-Accept: "},
		{"Sec-WebSocket-Accept: {accept}x"},
		{"Sec-WebSocket-Accept: {accept}, {accept}"},
		{"+Sec-WebSocket-Accept: {accept}"},
		{"+Sec-WebSocket-Accept: x"},
		{"Sec-WebSocket-Protocol: b"},
		{"Sec-WebSocket-Protocol: A"},
		{"Sec-WebSocket-Protocol: "},
		{"Sec-WebSocket-Protocol: a, b"},
		{"Sec-WebSocket-Protocol: a", "+Sec-WebSocket-Protocol: a"},
		{"Sec-WebSocket-Extensions: x-foo"},
		{"Sec-WebSocket-Extensions: "},
		{"Sec-WebSocket-Extensions: ;"},
		{`Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits="1 0"`},
		{deflate + ", permessage-deflate"},
		{deflate, "+" + deflate},
		{deflate + "; foo"},
		{deflate + "; client_max_window_bits"},
		{deflate + "; client_max_window_bits=7"},
		{deflate + "; server_max_window_bits=16"},
		{deflate + "; server_no_context_takeover=1"},
		{deflate + "; server_no_context_takeover; server_no_context_takeover"},
		{"Transfer-Encoding: chunked"},
		{"Content-Length: 5"},
		{"HTTP/1.1 101Switching"},
		{"HTTP/1.1  101 Switching Protocols"},
		{"HTTP/1.1 1010 Switching Protocols"},
		{"HTTP/2.0 101 Switching Protocols"},
		{"HTTP/1.1 101 a\x00b"},
		{"X-Y"},
		{"+ folded"},
		{"+\tfolded"},
		{"X Y: a"},
		{"X : a"},
		{"+: a"},
		{"X: a\rb"},
		{"X: a\nb: c"},
		{"X: a\x00b"},
		{"X: " + strings.Repeat("a", 100<<10)},
	} {
		s := answering(t, acceptAnswer(edits...))
		c, _, err := websocket.Dial(soon(t), s.url(), &websocket.DialOptions{
			Subprotocols: []string{"a"}, Compression: &websocket.Compression{},
		})
		var e *websocket.HandshakeError
		if c != nil || !errors.As(err, &e) {
			t.Errorf("answer %.80q: Dial() = %v, %v, want a *HandshakeError", edits, c, err)
		}
	}
	s := answering(t, acceptAnswer("Sec-WebSocket-Extensions: permessage-deflate"))
	if c, _, err := websocket.Dial(soon(t), s.url(), nil); err == nil {
		t.Errorf("extension without offer: Dial() = %v, nil, want an error", c)
	}
	s = answering(t, acceptAnswer("Sec-WebSocket-Protocol: a"))
	if c, _, err := websocket.Dial(soon(t), s.url(), nil); err == nil {
		t.Errorf("subprotocol without offer: Dial() = %v, nil, want an error", c)
	}
}

// A refusal gives the whole answer to the application, which can read the start of
// the body when the connection is long closed.
//
// Checks 6455-26, 6455-62, 6455-9.
func TestDialRefused(t *testing.T) {
	long := strings.Repeat("a", 5<<10)
	for _, test := range []struct {
		answer string
		status int
		body   string
	}{
		{"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", 200, "hi"},
		{"HTTP/1.1 301 Moved Permanently\r\nContent-Length: 0\r\n\r\n", 301, ""},
		{"HTTP/1.1 401 Unauthorized\r\nWww-Authenticate: Basic\r\nContent-Length: 5\r\n\r\nlogin", 401, "login"},
		{"HTTP/1.1 403 Forbidden\r\nContent-Length: 5120\r\n\r\n" + long, 403, long[:4<<10]},
		{"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 404, "abc"},
		{"HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 8, 07\r\nSec-WebSocket-Version: 7\r\nContent-Length: 0\r\n\r\n", 426, ""},
		{"HTTP/1.1 204 No Content\r\n\r\n", 204, ""},
		{"HTTP/1.0 500 Oops\r\nContent-Length: 4\r\n\r\nbody", 500, "body"},
	} {
		s := answering(t, fixedAnswer(test.answer))
		c, resp, err := websocket.Dial(soon(t), s.url(), nil)
		var e *websocket.HandshakeError
		if c != nil || resp == nil || !errors.As(err, &e) || e.Status != test.status || resp.StatusCode != test.status {
			t.Errorf("answer %.40q: Dial() = %v, %v, %v, want status %d", test.answer, c, resp, err, test.status)
			continue
		}
		if body, err := io.ReadAll(resp.Body); err != nil || string(body) != test.body {
			t.Errorf("answer %.40q: body %.40q, %v, want %.40q", test.answer, body, err, test.body)
		}
		if got := e.Versions(); test.status == 426 && !slices.Equal(got, []string{"8", "7"}) {
			t.Errorf("Versions() = %q, want 8, 7", got)
		}
	}
}

// Interim answers are passed over, and bytes behind the 101 are frames.
//
// Checks 6455-33.
func TestDialPipelinedFrames(t *testing.T) {
	big := noise(1, 70000)
	s := answering(t, func(r *http.Request) string {
		b := []byte("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + acceptAnswer()(r))
		for _, p := range [][]byte{[]byte("first"), big} {
			b = wstest.AppendFrame(b, frame.Header{Fin: true, Opcode: frame.Binary}, p)
		}
		return string(b)
	})
	c, _, err := websocket.Dial(soon(t), s.url(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	mustRead(t, c, websocket.Binary, []byte("first"))
	mustRead(t, c, websocket.Binary, big)
}

// MaxResponseHeader counts all of the header, interim answers too.
//
// Checks 6455-32.
func TestDialMaxResponseHeader(t *testing.T) {
	answer := "HTTP/1.1 403 Forbidden\r\nX: " + strings.Repeat("a", 500) + "\r\nContent-Length: 0\r\n\r\n"
	for _, test := range []struct {
		answer string
		max    int
		status int
	}{
		{answer, len(answer), 403},
		{answer, len(answer) - 1, 0},
		{answer, -1, 403},
		{strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 10000), 0, 0},
		{strings.Repeat("a", 100<<10), 0, 0},
		{"HTTP/1.1 403 Forbidden\r\nX: " + strings.Repeat("a", 200<<10) + "\r\nContent-Length: 0\r\n\r\n", -1, 403},
	} {
		s := answering(t, fixedAnswer(test.answer))
		_, _, err := websocket.Dial(soon(t), s.url(), &websocket.DialOptions{MaxResponseHeader: test.max})
		var e *websocket.HandshakeError
		if !errors.As(err, &e) || e.Status != test.status {
			t.Errorf("%.30q with MaxResponseHeader %d: Dial() = %v, want status %d", test.answer, test.max, err, test.status)
		}
	}
}

// RFC 6455, section 4.1: without a connection, or an answer, there is an error.
//
// Checks 6455-9.
func TestDialNoAnswer(t *testing.T) {
	closed := answering(t, fixedAnswer(""))
	closed.listener.Close()
	silent := answering(t, fixedAnswer(""))
	lookup := errors.New("no such host")
	for what, dial := range map[string]func(ctx context.Context) error{
		"closed port":      func(ctx context.Context) error { _, _, err := websocket.Dial(ctx, closed.url(), nil); return err },
		"closed by server": func(ctx context.Context) error { _, _, err := websocket.Dial(ctx, silent.url(), nil); return err },
		"name unknown": func(ctx context.Context) error {
			_, _, err := websocket.Dial(ctx, "ws://unknown.test/", &websocket.DialOptions{
				Proxy:          websocket.NoProxy,
				NetDialContext: func(context.Context, string, string) (net.Conn, error) { return nil, lookup },
			})
			if !errors.Is(err, lookup) {
				t.Errorf("Dial() = %v, want %v", err, lookup)
			}
			return err
		},
	} {
		if err := dial(soon(t)); err == nil {
			t.Errorf("%s: Dial() = nil, want an error", what)
		}
	}
}

// RFC 6455, section 4.1: the client sends nothing between request and answer.
//
// Checks 6455-25.
func TestDialWaitsForAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		defer b.Close()
		dialed := make(chan error, 1)
		go func() {
			c, _, err := websocket.Dial(t.Context(), "ws://h.test/", &websocket.DialOptions{
				Proxy:          websocket.NoProxy,
				NetDialContext: func(context.Context, string, string) (net.Conn, error) { return a, nil },
			})
			if err == nil {
				c.CloseNow()
			}
			dialed <- err
		}()
		r, err := http.ReadRequest(bufio.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		// The pipe has no buffer: what the client writes is read here.
		b.SetReadDeadline(time.Now().Add(20 * time.Second))
		if n, err := b.Read(make([]byte, 1)); n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Read() = %d, %v, want nothing before the answer", n, err)
		}
		io.WriteString(b, acceptAnswer()(r))
		if err := <-dialed; err != nil {
			t.Errorf("Dial() = %v", err)
		}
	})
}
