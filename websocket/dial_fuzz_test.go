package websocket_test

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-15847954/ropewalk/websocket"
	"github.com/seed-15847954/ropewalk/websocket/internal/handshake"
)

// A scriptedServer is a stream whose other end answers what is written to it.
type scriptedServer struct {
	net.Conn // nil: no other method is called
	answer   func(r *http.Request) string
	out      io.Reader
}

func (s *scriptedServer) Write(p []byte) (int, error) {
	if s.out == nil {
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(p)))
		if err != nil {
			return 0, err
		}
		s.out = strings.NewReader(s.answer(r))
	}
	return len(p), nil
}

func (s *scriptedServer) Read(p []byte) (int, error) { return s.out.Read(p) }
func (s *scriptedServer) Close() error               { return nil }

func (s *scriptedServer) SetReadDeadline(time.Time) error  { return nil }
func (s *scriptedServer) SetWriteDeadline(time.Time) error { return nil }

// Whatever the answer, Dial returns; and a connection only if the answer is that of
// section 4.2.2. {accept} in the answer stands for the right Sec-WebSocket-Accept.
//
// Checks 6455-153.
// Security 7.
func FuzzDial(f *testing.F) {
	r := &http.Request{Header: http.Header{}}
	for _, edits := range [][]string{
		nil,
		{"Sec-WebSocket-Protocol: a", "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=10"},
		{"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 101 Switching Protocols"},
		{"HTTP/1.1 403 Forbidden", "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0"},
		{"HTTP/1.0 302 Found", "Location: ws://h.test/x"},
		{"Connection: keep-alive, upgrade", "+Sec-WebSocket-Accept: x"},
	} {
		answer := acceptAnswer(append(edits, "Sec-WebSocket-Accept: {accept}")...)(r)
		f.Add([]byte(strings.ReplaceAll(answer, handshake.Accept(""), "{accept}")))
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		var key string
		opts := &websocket.DialOptions{
			Subprotocols: []string{"a"}, Compression: &websocket.Compression{}, Proxy: websocket.NoProxy,
			NetDialContext: func(context.Context, string, string) (net.Conn, error) {
				return &scriptedServer{answer: func(r *http.Request) string {
					key = r.Header.Get("Sec-WebSocket-Key")
					return strings.ReplaceAll(string(answer), "{accept}", handshake.Accept(key))
				}}, nil
			},
		}
		c, resp, err := websocket.Dial(t.Context(), "ws://h.test/", opts)
		if err != nil {
			return
		}
		c.CloseNow()
		accepts := resp.Header.Values("Sec-WebSocket-Accept")
		if resp.StatusCode != http.StatusSwitchingProtocols || !resp.ProtoAtLeast(1, 1) || !slices.Equal(accepts, []string{handshake.Accept(key)}) ||
			!strings.EqualFold(strings.Join(resp.Header.Values("Upgrade"), ","), "websocket") {
			t.Errorf("answer %q opened a connection", answer)
		}
	})
}
