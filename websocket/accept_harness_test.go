package websocket_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-15847954/ropewalk/websocket"
	"github.com/seed-15847954/ropewalk/websocket/wstest"
)

// sampleKey and sampleAccept are those of RFC 6455, section 1.3.
const (
	sampleKey    = "dGhlIHNhbXBsZSBub25jZQ=="
	sampleAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)

// upgradeRequest returns the bytes of a request that every server accepts, edited:
// "-Name" takes the header out, "Name: v" replaces it, "+Name: v" adds a line at
// the end, and a line with "HTTP/" in it replaces the request line.
func upgradeRequest(edits ...string) []byte {
	lines := []string{
		"GET /echo HTTP/1.1", "Host: example.com", "Upgrade: websocket", "Connection: Upgrade",
		"Sec-WebSocket-Key: " + sampleKey, "Sec-WebSocket-Version: 13",
	}
	for _, edit := range edits {
		name, _, _ := strings.Cut(strings.TrimPrefix(edit, "-"), ":")
		at := len(lines)
		for i, line := range lines {
			if strings.HasPrefix(line, name+":") || i == 0 && strings.Contains(edit, " HTTP/") {
				at = i
			}
		}
		switch {
		case edit[0] == '-':
			lines = append(lines[:at], lines[at+1:]...)
		case edit[0] == '+' || at == len(lines):
			lines = append(lines, strings.TrimPrefix(edit, "+"))
		default:
			lines[at] = edit
		}
	}
	return []byte(strings.Join(lines, "\r\n") + "\r\n\r\n")
}

// A testServer calls Accept in the handler of a net/http server, or Upgrade on what
// a listener of its own accepts.
type testServer struct {
	*httptest.Server              // with a Listener alone in the second case
	outcome          chan outcome // one for each call of Accept or Upgrade
	others           []string     // paths that were asked for besides /echo
	mu               sync.Mutex
}

type outcome struct {
	conn *websocket.Conn
	err  error
}

// A serveFunc starts a server on 127.0.0.1.
type serveFunc func(t *testing.T, opts *websocket.AcceptOptions) *testServer

// bothWays runs a test over Accept and over Upgrade.
func bothWays(t *testing.T, test func(t *testing.T, serve serveFunc)) {
	t.Helper()
	t.Run("Accept", func(t *testing.T) {
		test(t, func(t *testing.T, opts *websocket.AcceptOptions) *testServer { return serve(t, opts) })
	})
	t.Run("Upgrade", func(t *testing.T) { test(t, serveUpgrade) })
}

// serve starts a server on 127.0.0.1 with Accept on /echo behind the wrappers.
func serve(t *testing.T, opts *websocket.AcceptOptions, wrap ...func(http.Handler) http.Handler) *testServer {
	t.Helper()
	s := newTestServer(opts, wrap...)
	s.Start()
	t.Cleanup(s.close)
	return s
}

func newTestServer(opts *websocket.AcceptOptions, wrap ...func(http.Handler) http.Handler) *testServer {
	s := &testServer{outcome: make(chan outcome, 20000)}
	var accept http.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, opts)
		s.outcome <- outcome{c, err}
	})
	for _, w := range wrap {
		accept = w(accept)
	}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/echo" {
			accept.ServeHTTP(w, r)
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.others = append(s.others, r.URL.Path)
	}))
	s.Config.ErrorLog = discardLog()
	return s
}

// serveUpgrade starts a server on 127.0.0.1 with Upgrade.
func serveUpgrade(t *testing.T, opts *websocket.AcceptOptions) *testServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return upgradeOn(t, l, opts)
}

// upgradeOn starts a server with Upgrade on l.
func upgradeOn(t *testing.T, l net.Listener, opts *websocket.AcceptOptions) *testServer {
	t.Helper()
	s := &testServer{Server: &httptest.Server{Listener: l}, outcome: make(chan outcome, 20000)}
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				c, _, err := websocket.Upgrade(ctx, conn, opts)
				s.outcome <- outcome{c, err}
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		cancel()
		serving.Wait()
		s.closeAccepted()
	})
	return s
}

func (s *testServer) close() {
	s.closeAccepted()
	s.Close()
}

// closeAccepted ends what Accept or Upgrade has returned and nobody took.
func (s *testServer) closeAccepted() {
	for {
		select {
		case o := <-s.outcome:
			if o.conn != nil {
				o.conn.CloseNow()
			}
		default:
			return
		}
	}
}

// accepted returns the connection that Accept or Upgrade returned.
func (s *testServer) accepted(t *testing.T) *websocket.Conn {
	t.Helper()
	o := <-s.outcome
	if o.err != nil {
		t.Fatalf("Accept() = %v, want a connection", o.err)
	}
	t.Cleanup(func() { o.conn.CloseNow() })
	return o.conn
}

// refused returns the error that Accept or Upgrade returned.
func (s *testServer) refused(t *testing.T) *websocket.HandshakeError {
	t.Helper()
	o := <-s.outcome
	var e *websocket.HandshakeError
	if !errors.As(o.err, &e) {
		t.Fatalf("Accept() = %v, %v, want a *HandshakeError", o.conn, o.err)
	}
	return e
}

// dialRaw opens a TCP connection that gives up before the test would hang.
func (s *testServer) dialRaw(t *testing.T) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	return conn
}

// exchange sends request on a connection of its own and returns the head of the
// answer. On a 101 the stream goes on behind it; else exchange has read to the end.
func (s *testServer) exchange(t *testing.T, request []byte) (*http.Response, net.Conn) {
	t.Helper()
	conn := s.dialRaw(t)
	if _, err := conn.Write(request); err != nil {
		t.Fatal(err)
	}
	resp, _, err := readAnswer(conn)
	if err != nil {
		t.Fatalf("%q: %v", request, err)
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		conn.Close()
	}
	return resp, conn
}

// readAnswer reads an answer strictly. One that is not 101 must say that it closes
// the connection, and then do so, with nothing behind it.
func readAnswer(conn net.Conn) (resp *http.Response, body string, err error) {
	var head []byte
	for !bytes.HasSuffix(head, []byte("\r\n\r\n")) {
		var b [1]byte
		if _, err := io.ReadFull(conn, b[:]); err != nil {
			if len(head) == 0 && errors.Is(err, io.EOF) {
				err = errNoAnswer
			}
			return nil, "", fmt.Errorf("answer %q: %w", head, err)
		}
		head = append(head, b[0])
	}
	if bytes.HasPrefix(head, []byte("HTTP/1.1 101 ")) {
		resp, err = http.ReadResponse(bufio.NewReader(bytes.NewReader(head)), nil)
		return resp, "", err
	}
	rest, err := io.ReadAll(conn)
	if err != nil {
		return nil, "", fmt.Errorf("answer %q: %w", head, err)
	}
	all := bufio.NewReader(bytes.NewReader(append(head, rest...)))
	if resp, err = http.ReadResponse(all, nil); err != nil {
		return nil, "", err
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, "", err
	}
	if behind, _ := io.ReadAll(all); len(behind) > 0 {
		return nil, "", fmt.Errorf("bytes behind the answer: %.80q", behind)
	}
	if !resp.Close {
		return nil, "", fmt.Errorf("answer %q does not say that it closes the connection", head)
	}
	// ReadResponse takes out a Connection that closes, at times.
	resp.Header.Del("Connection")
	for line := range strings.Lines(string(head)) {
		if value, ok := strings.CutPrefix(line, "Connection: "); ok {
			resp.Header.Add("Connection", strings.TrimSpace(value))
		}
	}
	return resp, string(text), nil
}

// errNoAnswer says that the server just closed the connection.
var errNoAnswer = errors.New("no answer")

// A memoryListener listens for streams in memory.
type memoryListener struct {
	streams chan net.Conn
	closed  chan struct{}
	once    sync.Once
}

func newMemoryListener() *memoryListener {
	return &memoryListener{streams: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *memoryListener) Accept() (net.Conn, error) {
	select {
	case s := <-l.streams:
		return s, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *memoryListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *memoryListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80} }

func (l *memoryListener) dial() net.Conn {
	a, b := wstest.Streams()
	l.streams <- b
	return a
}
