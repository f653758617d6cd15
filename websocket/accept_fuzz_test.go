package websocket_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/seed-15847954/ropewalk/websocket"
	"github.com/seed-15847954/ropewalk/websocket/wstest"
)

// A hijackable is a ResponseWriter over a stream, without a server.
type hijackable struct {
	stream net.Conn
	header http.Header
	status int
	body   bytes.Buffer
}

func newHijackable(stream net.Conn) *hijackable {
	return &hijackable{stream: stream, header: make(http.Header)}
}

func (h *hijackable) Header() http.Header         { return h.header }
func (h *hijackable) WriteHeader(status int)      { h.status = status }
func (h *hijackable) Write(p []byte) (int, error) { return h.body.Write(p) }

func (h *hijackable) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return h.stream, bufio.NewReadWriter(bufio.NewReader(h.stream), bufio.NewWriter(h.stream)), nil
}

// Whatever the request, Accept answers it with a proper 101 or a refusal that
// closes the connection.
//
// Checks 6455-153.
// Security 6, 7.
func FuzzAccept(f *testing.F) {
	f.Add(upgradeRequest())
	f.Add(upgradeRequest("Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits; server_max_window_bits=10"))
	f.Add(upgradeRequest("Sec-WebSocket-Protocol: b, a", "Origin: https://a.example.org"))
	f.Add(upgradeRequest("GET http://[::1]:80/echo HTTP/1.1", "Connection: keep-alive, Upgrade", "Content-Length: 1"))
	f.Add(upgradeRequest("Sec-WebSocket-Version: 8", "Transfer-Encoding: chunked"))
	opts := &websocket.AcceptOptions{
		Subprotocols: []string{"a", "b"}, OriginPatterns: []string{"https://*.example.org"}, Compression: &websocket.Compression{},
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(b)))
		if err != nil || r.ProtoMajor != 1 {
			return // a server of HTTP/1.1 refuses other versions by itself
		}
		server, client := wstest.Streams()
		defer client.Close()
		w := newHijackable(server)
		c, err := websocket.Accept(w, r, opts)
		if err == nil {
			defer c.CloseNow()
			resp, _, err := readAnswer(client)
			if err != nil || resp.Header.Get("Connection") != "Upgrade" || len(resp.Header.Values("Sec-WebSocket-Accept")) != 1 {
				t.Errorf("answer to %q = %v, %v, want 101", b, resp, err)
			}
			return
		}
		var e *websocket.HandshakeError
		if !errors.As(err, &e) || e.Status != w.status || w.status < 400 || w.status > 501 || w.header.Get("Connection") != "close" {
			t.Errorf("answer to %q = %d, %v, %v, want a refusal that closes", b, w.status, w.header, err)
		}
	})
}

// breakers each make a request malformed in a way of their own.
var breakers = []func(r *rand.Rand) string{
	func(r *rand.Rand) string { return junkOf(r, "ABCDEFGHIJKLMNOPQRSTUVWXYZ", 3, 9) + "X /echo HTTP/1.1" },
	func(r *rand.Rand) string { return "GET /echo HTTP/1.0" },
	func(r *rand.Rand) string { return "GET " + junkOf(r, "abc?#%", 1, 30) + " HTTP/1.1" },
	func(r *rand.Rand) string { return "GET  /echo HTTP/1.1" },
	func(r *rand.Rand) string { return "GET /echo HTTP/" + junkOf(r, "abc.", 1, 5) },
	func(r *rand.Rand) string {
		return "-" + pick(r, "Host", "Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version")
	},
	func(r *rand.Rand) string { return "Host: " + junkOf(r, "a \t,@/\\%|<>", 1, 20) + "@" },
	func(r *rand.Rand) string { return "+Host: " + junkOf(r, "ab.", 0, 5) },
	func(r *rand.Rand) string { return "Upgrade: " + junkOf(r, "websockt,;/ ", 0, 7) },
	func(r *rand.Rand) string { return "Connection: " + junkOf(r, "upgrade,; ", 0, 5) },
	func(r *rand.Rand) string { return "Sec-WebSocket-Key: " + junkOf(r, "ABCabc019+/-_=", 0, 23) },
	func(r *rand.Rand) string { return "Sec-WebSocket-Key: " + junkOf(r, "ABCabc019+/-_=", 25, 200) },
	func(r *rand.Rand) string { return "+Sec-WebSocket-Key: " + junkOf(r, "ABC", 0, 30) },
	func(r *rand.Rand) string { return fmt.Sprintf("Sec-WebSocket-Version: %d", 14+r.IntN(1<<20)) },
	func(r *rand.Rand) string { return "Sec-WebSocket-Version: 13" + junkOf(r, ",;0123 ", 0, 5) + "," },
	func(r *rand.Rand) string { return fmt.Sprintf("+Sec-WebSocket-Version: %d", r.IntN(20)) },
	func(r *rand.Rand) string { return fmt.Sprintf("Content-Length: %d", 1+r.IntN(1<<30)) },
	func(r *rand.Rand) string { return "Content-Length: -" + junkOf(r, "0123456789", 1, 30) },
	func(r *rand.Rand) string {
		return "Transfer-Encoding: " + pick(r, "chunked", "Chunked", " chunked\t", "CHUNKED")
	},
	func(r *rand.Rand) string { return "Origin: " + junkOf(r, "htps:/e.xaml,@ ", 0, 60) },
	func(r *rand.Rand) string { return "Sec-WebSocket-Protocol: " + junkOf(r, "ab /@", 0, 60) + "," },
	func(r *rand.Rand) string { return "Sec-WebSocket-Extensions: " + junkOf(r, "ab; ", 0, 60) + ";" },
	func(r *rand.Rand) string { return `Sec-WebSocket-Extensions: a; b="` + junkOf(r, `ab\`, 0, 60) },
	func(r *rand.Rand) string {
		return "Sec-WebSocket-Extensions: a" + strings.Repeat("; b=c", 17+r.IntN(5000))
	},
	func(r *rand.Rand) string {
		return "Sec-WebSocket-Extensions: a" + strings.Repeat(", b", 17+r.IntN(5000))
	},
	func(r *rand.Rand) string { return "a" + junkOf(r, "ab \x01\x7f\"", 0, 30) + " : x" },
	func(r *rand.Rand) string { return "X: a" + pick(r, "\x00", "\x01", "\x7f", "\rb", "\r\n b: \x00") },
	func(r *rand.Rand) string { return junkOf(r, "abc", 1, 30) },
}

func pick(r *rand.Rand, from ...string) string { return from[r.IntN(len(from))] }

// junkOf returns low to high bytes of alphabet.
func junkOf(r *rand.Rand, alphabet string, low, high int) string {
	b := make([]byte, low+r.IntN(high-low+1))
	for i := range b {
		b[i] = alphabet[r.IntN(len(alphabet))]
	}
	return string(b)
}

// malformedRequest returns a request with at least one thing wrong, among headers
// that mean nothing.
func malformedRequest(r *rand.Rand) []byte {
	var edits []string
	for range r.IntN(5) {
		edits = append(edits, "+X-"+junkOf(r, "abc-", 1, 20)+": "+junkOf(r, "abc ,;=\"\t", 0, 200))
	}
	b := upgradeRequest(append(edits, breakers[r.IntN(len(breakers))](r))...)
	if r.IntN(10) == 0 {
		b = b[:r.IntN(len(b)-4)] // cut off before the end of the head
	}
	return b
}

// Ten thousand malformed requests: each is refused with 4xx, or the connection is
// closed.
//
// Checks 6455-35, 6455-153, 6455-154.
// Security 6.
func TestAcceptMalformedRequests(t *testing.T) {
	const requests, clients = 10000, 8
	s := newTestServer(nil)
	l := newMemoryListener()
	s.Listener.Close()
	s.Listener = l
	s.Start()
	t.Cleanup(s.close)
	var clientsDone sync.WaitGroup
	for client := range clients {
		clientsDone.Go(func() {
			random := rand.New(rand.NewPCG(6, uint64(client)))
			for range requests / clients {
				request := malformedRequest(random)
				if err := refusedInMemory(l, request); err != nil {
					t.Errorf("%.300q: %v", request, err)
				}
			}
		})
	}
	clientsDone.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.outcome) > 0 {
		if o := <-s.outcome; o.err == nil {
			t.Error("Accept() = nil, want an error")
			o.conn.CloseNow()
		}
	}
}

// refusedInMemory sends request and nothing more, and reports what is wrong with
// the refusal.
func refusedInMemory(l *memoryListener, request []byte) error {
	conn := l.dial()
	defer conn.Close()
	if _, err := conn.Write(request); err != nil {
		return err
	}
	conn.(*wstest.Stream).CloseWrite()
	resp, _, err := readAnswer(conn)
	if errors.Is(err, errNoAnswer) {
		return nil
	}
	if err != nil {
		return err
	}
	if resp.StatusCode < 400 || resp.StatusCode > 499 {
		return fmt.Errorf("status %d, want 4xx", resp.StatusCode)
	}
	return nil
}
