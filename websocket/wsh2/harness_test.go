package wsh2_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-15847954/ropewalk/websocket"
	"github.com/seed-15847954/ropewalk/websocket/frame"
	_ "github.com/seed-15847954/ropewalk/websocket/xconnect"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

// A server is one of net/http whose handler is Accept, followed by what the test
// does with the connection.
type server struct {
	*httptest.Server
	mu       sync.Mutex
	requests []*http.Request
	outcomes chan error // one for each call of Accept, nil for a connection
}

// serve starts a server on 127.0.0.1 that speaks HTTP/2 without TLS.
func serve(t *testing.T, opts *websocket.AcceptOptions, handle func(*websocket.Conn)) *server {
	t.Helper()
	s := newServer(opts, handle)
	s.Config.Protocols = bothProtocols()
	s.Start()
	t.Cleanup(s.Close)
	return s
}

// bothProtocols are HTTP/1.1 and HTTP/2 without TLS.
func bothProtocols() *http.Protocols {
	p := new(http.Protocols)
	p.SetHTTP1(true)
	p.SetUnencryptedHTTP2(true)
	return p
}

// serveTLS starts one that speaks HTTP/2 inside TLS.
func serveTLS(t *testing.T, opts *websocket.AcceptOptions, handle func(*websocket.Conn)) *server {
	t.Helper()
	s := newServer(opts, handle)
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func newServer(opts *websocket.AcceptOptions, handle func(*websocket.Conn)) *server {
	s := &server{outcomes: make(chan error, 1000)}
	mux := http.NewServeMux()
	mux.HandleFunc("/ws", func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.requests = append(s.requests, r)
		s.mu.Unlock()
		c, err := websocket.Accept(w, r, opts)
		s.outcomes <- err
		if err != nil {
			return
		}
		defer c.CloseNow()
		handle(c)
	})
	mux.HandleFunc("/get", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "got") })
	s.Server = httptest.NewUnstartedServer(mux)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	if os.Getenv("WSH2_LOG") != "" {
		s.Config.ErrorLog = nil
	}
	return s
}

// request returns the latest request.
func (s *server) request() *http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests[len(s.requests)-1]
}

// echo sends every message back.
func echo(c *websocket.Conn) {
	for {
		typ, p, err := c.Read(context.Background())
		if err != nil {
			return
		}
		if err := c.Write(context.Background(), typ, p); err != nil {
			return
		}
	}
}

// A peer is one end of an HTTP/2 connection that writes what the test says, right
// or wrong.
type peer struct {
	*http2.Framer
	t     *testing.T
	conn  net.Conn
	block bytes.Buffer
	enc   *hpack.Encoder
}

func newPeer(t *testing.T, conn net.Conn) *peer {
	t.Helper()
	p := &peer{Framer: http2.NewFramer(conn, conn), t: t, conn: conn}
	p.enc = hpack.NewEncoder(&p.block)
	p.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	p.AllowIllegalWrites = true
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	return p
}

// dial opens an HTTP/2 connection to s by hand.
func (s *server) dial(t *testing.T, settings ...http2.Setting) *peer {
	t.Helper()
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	p := newPeer(t, conn)
	io.WriteString(conn, http2.ClientPreface)
	p.must(p.WriteSettings(settings...))
	return p
}

func (p *peer) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// connect is the head of an acceptable request, edited: a line "name: value"
// replaces the field or is added, "-name" takes it out, "+name: value" adds one.
func connect(edits ...string) []string {
	lines := []string{
		":method: CONNECT", ":protocol: websocket", ":scheme: http", ":path: /ws", ":authority: example.com",
		"sec-websocket-version: 13",
	}
	for _, edit := range edits {
		name := strings.TrimLeft(edit, "-+")
		if i := strings.Index(name[1:], ":"); i >= 0 {
			name = name[:i+1]
		}
		at := slices.IndexFunc(lines, func(line string) bool { return strings.HasPrefix(line, name+":") })
		switch {
		case edit[0] == '-':
			lines = slices.Delete(lines, at, at+1)
		case edit[0] == '+' && edit[1] == ':':
			lines = slices.Insert(lines, 0, edit[1:])
		case edit[0] == '+' || at < 0:
			lines = append(lines, strings.TrimPrefix(edit, "+"))
		default:
			lines[at] = edit
		}
	}
	return lines
}

// fields encodes lines of "name: value".
func (p *peer) fields(lines []string) []byte {
	p.block.Reset()
	for _, line := range lines {
		i := strings.Index(line[1:], ":") + 1
		p.enc.WriteField(hpack.HeaderField{Name: line[:i], Value: strings.TrimPrefix(line[i+1:], " ")})
	}
	return p.block.Bytes()
}

// head sends the head of a request or an answer.
func (p *peer) head(stream uint32, endStream bool, lines ...string) {
	p.t.Helper()
	p.must(p.WriteHeaders(http2.HeadersFrameParam{
		StreamID: stream, EndHeaders: true, EndStream: endStream, BlockFragment: p.fields(lines),
	}))
}

// next returns the next frame but for those that only keep the connection going.
func (p *peer) next() http2.Frame {
	p.t.Helper()
	for {
		f, err := p.ReadFrame()
		if err != nil {
			p.t.Fatalf("read frame: %v", err)
		}
		switch f := f.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				p.must(p.WriteSettingsAck())
			}
			continue
		case *http2.PingFrame:
			if !f.IsAck() {
				p.must(p.WritePing(true, f.Data))
			}
			continue
		case *http2.WindowUpdateFrame:
			continue
		}
		return f
	}
}

// answer returns the head of the answer on the stream, which must come next.
func (p *peer) answer(stream uint32) *http2.MetaHeadersFrame {
	p.t.Helper()
	f, ok := p.next().(*http2.MetaHeadersFrame)
	if !ok || f.StreamID != stream {
		p.t.Fatalf("next frame = %v, want the answer on stream %d", f, stream)
	}
	return f
}

// status returns the status of the answer on the stream, or the code of the
// RST_STREAM that came instead.
func (p *peer) status(stream uint32) (status string, reset http2.ErrCode) {
	p.t.Helper()
	f := p.next()
	for f.Header().StreamID == stream-2 { // what ended that one
		f = p.next()
	}
	switch f := f.(type) {
	case *http2.MetaHeadersFrame:
		return f.PseudoValue("status"), 0
	case *http2.RSTStreamFrame:
		return "", f.ErrCode
	default:
		p.t.Fatalf("next frame = %v, want an answer", f)
		return "", 0
	}
}

// rest collects the stream to its end: what was in DATA, whether END_STREAM came,
// and the code of RST_STREAM, or -1.
func (p *peer) rest(stream uint32) (data []byte, ended bool, reset int) {
	p.t.Helper()
	reset = -1
	for !ended && reset < 0 {
		f := p.next()
		if f.Header().StreamID != stream {
			continue
		}
		switch f := f.(type) {
		case *http2.DataFrame:
			data = append(data, f.Data()...)
			ended = f.StreamEnded()
		case *http2.RSTStreamFrame:
			reset = int(f.ErrCode)
		}
	}
	return data, ended, reset
}

// take reads DATA of the stream until it has n bytes.
func (p *peer) take(stream uint32, n int) []byte {
	p.t.Helper()
	var data []byte
	for len(data) < n {
		if f, ok := p.next().(*http2.DataFrame); ok && f.StreamID == stream {
			data = append(data, f.Data()...)
		}
	}
	return data
}

// message is a frame with a whole message of a client, or of a server without mask.
func message(op frame.Opcode, masked bool, p string) []byte {
	h := frame.Header{Fin: true, Opcode: op, Length: uint64(len(p)), Masked: masked, Key: 0x01020304}
	b := frame.AppendHeader(nil, h)
	start := len(b)
	b = append(b, p...)
	if masked {
		frame.Mask(b[start:], h.Key)
	}
	return b
}

// outcome returns what the next call of Accept has led to.
func (s *server) outcome(t *testing.T) error {
	t.Helper()
	select {
	case err := <-s.outcomes:
		return err
	case <-time.After(patience):
		t.Fatal("Accept was not called")
		return nil
	}
}

func isRefused(err error, status int) bool {
	var e *websocket.HandshakeError
	return errors.As(err, &e) && e.Status == status
}

// codeOf returns the code that err says a connection ended with, or 0.
func codeOf(err error) websocket.CloseCode {
	var e *websocket.CloseError
	if !errors.As(err, &e) {
		return 0
	}
	return e.Code
}
