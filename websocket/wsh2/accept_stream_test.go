package wsh2_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15847954/ropewalk/websocket"
	"github.com/seed-15847954/ropewalk/websocket/frame"
	"github.com/seed-15847954/ropewalk/websocket/wsh2"
	"github.com/seed-15847954/ropewalk/websocket/wstest"
	"golang.org/x/net/http2"
)

// A WebSocket whose client takes nothing does not stop the other streams of its
// connection, and a reset ends its Write.
//
// Checks 8441-18, 8441-17.
func TestAcceptSlowClient(t *testing.T) {
	checkLeaks(t)
	wrote := make(chan error, 1)
	s := serve(t, nil, func(c *websocket.Conn) {
		wrote <- c.Write(context.Background(), websocket.Binary, make([]byte, 1<<20))
	})
	p := s.dial(t, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 65535})
	p.must(p.WriteWindowUpdate(0, 1<<20))
	p.head(1, false, connect()...)
	p.answer(1)
	p.take(1, 65535)
	for stream := uint32(3); stream < 13; stream += 2 {
		if got := p.get(stream); got != "got" {
			t.Errorf("GET beside a slow WebSocket = %q", got)
		}
	}
	select {
	case err := <-wrote:
		t.Errorf("Write() = %v, want it to wait for the window", err)
	default:
	}
	p.must(p.WriteRSTStream(1, http2.ErrCodeCancel))
	if err := <-wrote; err == nil {
		t.Error("Write() = nil, want an error")
	}
}

// CloseNow, called by anybody, ends a Write that waits for the window, and resets
// the stream.
func TestAcceptCloseNowInterrupts(t *testing.T) {
	checkLeaks(t)
	conns := make(chan *websocket.Conn, 1)
	handled := make(chan error, 1)
	s := serve(t, nil, func(c *websocket.Conn) {
		conns <- c
		handled <- c.Write(context.Background(), websocket.Binary, make([]byte, 1<<20))
	})
	p := s.dial(t)
	p.head(1, false, connect()...)
	p.answer(1)
	p.take(1, 65535)
	(<-conns).CloseNow()
	if err := <-handled; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Write() = %v, want net.ErrClosed", err)
	}
	if _, ended, reset := p.rest(1); ended || reset <= 0 {
		t.Errorf("END_STREAM %v, RST_STREAM %d, want a reset", ended, reset)
	}
}

// A client that takes nothing from TCP at all does not hold up CloseNow either. The
// handler returns when the HTTP server gets away from it.
func TestAcceptStuckConnection(t *testing.T) {
	checkLeaks(t)
	conns := make(chan *websocket.Conn, 1)
	handled := make(chan error, 1)
	s := newServer(nil, nil)
	s.Config.Handler = websocket.Handler{Serve: func(c *websocket.Conn, _ *http.Request) {
		conns <- c
		handled <- c.Write(context.Background(), websocket.Binary, make([]byte, 64<<20))
	}}
	s.Config.HTTP2 = &http.HTTP2Config{WriteByteTimeout: time.Second}
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	t.Cleanup(s.Close)
	p := s.dial(t, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1<<31 - 1})
	p.must(p.WriteWindowUpdate(0, 1<<30))
	p.head(1, false, connect()...)
	p.answer(1)
	p.take(1, 1) // and no more: the buffers of the kernel fill up
	c := <-conns
	closed := make(chan struct{})
	go func() {
		c.CloseNow()
		close(closed)
	}()
	select {
	case <-closed:
	case <-time.After(patience):
		t.Error("CloseNow hangs")
	}
	if err := <-handled; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Write() = %v, want net.ErrClosed", err)
	}
}

// Timeouts of the HTTP server are for requests: a WebSocket outlives them, in both
// directions. (Deadlines of a stream in net/http are for ever.)
func TestAcceptOutlivesTimeouts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &memoryListener{streams: make(chan net.Conn), closed: make(chan struct{})}
		srv := &http.Server{
			ReadTimeout: 5 * time.Second, WriteTimeout: 5 * time.Second, Protocols: new(http.Protocols),
			Handler: websocket.Handler{Options: &websocket.AcceptOptions{KeepAlive: websocket.KeepAlive{Interval: -1}}, Serve: func(c *websocket.Conn, _ *http.Request) { echo(c) }},
		}
		srv.Protocols.SetUnencryptedHTTP2(true)
		served := make(chan error)
		go func() { served <- srv.Serve(l) }()
		tr := &wsh2.Transport{DialContext: l.dial, PingInterval: -1}
		c, _, err := websocket.Dial(t.Context(), "ws://example.com/", &websocket.DialOptions{
			Connector: tr, KeepAlive: websocket.KeepAlive{Interval: -1},
		})
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			<-time.After(time.Minute)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second) // reads are interrupted on the way
			if _, _, err := c.Read(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Read() = %v", err)
			}
			cancel()
			mustEcho(t, c, websocket.Text, []byte("alive"))
		}
		if err := c.Close(websocket.CloseNormal, ""); err != nil {
			t.Errorf("Close() = %v", err)
		}
		tr.Close()
		srv.Close()
		<-served
	})
}

// A memoryListener listens for streams in memory.
type memoryListener struct {
	streams chan net.Conn
	closed  chan struct{}
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
	close(l.closed)
	return nil
}

func (l *memoryListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80} }

func (l *memoryListener) dial(context.Context, string, string) (net.Conn, error) {
	a, b := wstest.Streams()
	l.streams <- b
	return a, nil
}

// An answer that takes longer than HandshakeTimeout is not sent.
func TestAcceptHandshakeTimeout(t *testing.T) {
	checkLeaks(t)
	s := serve(t, &websocket.AcceptOptions{
		HandshakeTimeout: time.Millisecond,
		BeforeUpgrade: func(r *http.Request, _ http.Header) error {
			<-r.Context().Done()
			return nil
		},
	}, echo)
	p := s.dial(t)
	p.head(1, false, connect()...)
	if status := p.answer(1).PseudoValue("status"); status != "503" {
		t.Errorf("status %s, want 503", status)
	}
}

// A ResponseWriter that hides what a tunnel needs is the server's fault; one behind
// wrappers with Unwrap is found.
func TestAcceptWrapped(t *testing.T) {
	checkLeaks(t)
	type hiding struct{ http.ResponseWriter }
	for name, test := range map[string]struct {
		wrap func(http.ResponseWriter) http.ResponseWriter
		want string
	}{
		"hidden":    {func(w http.ResponseWriter) http.ResponseWriter { return hiding{w} }, "500"},
		"unwrapped": {func(w http.ResponseWriter) http.ResponseWriter { return &wrapper{w} }, "200"},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, nil, echo)
			next := s.Config.Handler
			s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("X-Set-Before", "yes")
				w.Header().Set("Content-Encoding", "gzip")
				next.ServeHTTP(test.wrap(w), r)
			})
			p := s.dial(t)
			p.head(1, false, connect()...)
			fields := map[string]string{}
			for _, f := range p.answer(1).Fields {
				fields[f.Name] = f.Value
			}
			if fields[":status"] != test.want || fields["content-encoding"] != "" || fields["x-set-before"] != "yes" {
				t.Errorf("the answer is %v, want status %s", fields, test.want)
			}
			if test.want == "200" {
				p.must(p.WriteData(1, false, message(frame.Text, true, "hello")))
				p.take(1, 7)
			}
		})
	}
}

// A wrapper spoils what is written through it.
type wrapper struct{ http.ResponseWriter }

func (w *wrapper) Write(p []byte) (int, error) {
	return w.ResponseWriter.Write([]byte(strings.ToUpper(string(p))))
}
func (w *wrapper) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// A handler that returns before the connection has ended ends it, and calls on it
// fail from then on.
func TestAcceptHandlerReturns(t *testing.T) {
	checkLeaks(t)
	conns := make(chan *websocket.Conn, 1)
	s := newServer(nil, nil)
	s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			t.Error(err)
		}
		conns <- c
	})
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	t.Cleanup(s.Close)
	p := s.dial(t)
	p.head(1, false, connect()...)
	p.answer(1)
	if _, ended, _ := p.rest(1); !ended {
		t.Error("no END_STREAM when the handler returns")
	}
	c := <-conns
	if _, _, err := c.Read(t.Context()); codeOf(err) != websocket.CloseAbnormal {
		t.Errorf("Read() = %v, want 1006", err)
	}
	if err := c.Write(t.Context(), websocket.Text, []byte("x")); err == nil {
		t.Error("Write() = nil, want an error")
	}
	c.CloseNow()
}

// Handler waits for the end of a connection, of one in event mode too.
//
// Checks 8441-17.
func TestHandlerEvents(t *testing.T) {
	checkLeaks(t)
	s := newServer(nil, nil)
	events := &echoEvents{closed: make(chan error, 1)}
	s.Config.Handler = websocket.Handler{Serve: func(c *websocket.Conn, _ *http.Request) { c.Handle(events) }}
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	t.Cleanup(s.Close)
	p := s.dial(t)
	p.head(1, false, connect()...)
	p.answer(1)
	p.must(p.WriteData(1, false, message(frame.Text, true, "hello")))
	p.take(1, 7)
	p.must(p.WriteData(1, false, message(frame.Close, true, "\x03\xe8")))
	data, ended, reset := p.rest(1)
	if string(data) != string(message(frame.Close, false, "\x03\xe8")) || !ended || reset >= 0 {
		t.Errorf("the end is %x, END_STREAM %v, RST_STREAM %d", data, ended, reset)
	}
	if err := <-events.closed; codeOf(err) != websocket.CloseNormal {
		t.Errorf("Closed(%v), want 1000", err)
	}
}

type echoEvents struct{ closed chan error }

func (e *echoEvents) Message(c *websocket.Conn, typ websocket.MessageType, p []byte) {
	c.Write(context.Background(), typ, p)
}
func (e *echoEvents) Closed(_ *websocket.Conn, err error) { e.closed <- err }

// The closing handshake that the server begins ends with END_STREAM as well, and
// does not wait for the client's.
//
// Checks 8441-17.
func TestAcceptServerCloses(t *testing.T) {
	checkLeaks(t)
	closed := make(chan error, 1)
	took := make(chan time.Duration, 1)
	s := serve(t, nil, func(c *websocket.Conn) {
		start := time.Now()
		closed <- c.Close(websocket.CloseGoingAway, "")
		took <- time.Since(start)
	})
	p := s.dial(t)
	p.head(1, false, connect()...)
	p.answer(1)
	p.take(1, 4)
	p.must(p.WriteData(1, false, message(frame.Close, true, "\x03\xe9")))
	if data, ended, _ := p.rest(1); len(data) > 0 || !ended {
		t.Errorf("the end is %x, END_STREAM %v", data, ended)
	}
	if err := <-closed; err != nil {
		t.Errorf("Close() = %v", err)
	}
	if d := <-took; d > 900*time.Millisecond {
		t.Errorf("Close() took %v", d)
	}
}

// Limits and the orderly end of the HTTP server hold for WebSocket streams.
//
// Checks 8441-20.
func TestAcceptLimitsAndDrain(t *testing.T) {
	checkLeaks(t)
	s := newServer(nil, echo)
	s.Config.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: 2}
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	t.Cleanup(s.Close)
	p := s.dial(t)
	for _, stream := range []uint32{1, 3} {
		p.head(stream, false, connect()...)
		p.answer(stream)
	}
	p.head(5, false, connect()...)
	if _, reset := p.status(5); reset == 0 {
		t.Error("a stream beyond MAX_CONCURRENT_STREAMS was not reset")
	}
	down := make(chan error, 1)
	go func() { down <- s.Config.Shutdown(t.Context()) }()
	away := false
	for !away { // two of them
		if f, ok := p.next().(*http2.GoAwayFrame); ok {
			away = f.ErrCode == http2.ErrCodeNo && f.LastStreamID < 1<<31-1
		}
	}
	for _, stream := range []uint32{1, 3} { // they go on, and end in good order
		p.must(p.WriteData(stream, false, message(frame.Text, true, "hello")))
		p.take(stream, 7)
		p.must(p.WriteData(stream, false, message(frame.Close, true, "")))
		if _, ended, _ := p.rest(stream); !ended {
			t.Errorf("stream %d has no END_STREAM", stream)
		}
	}
	if err := <-down; err != nil {
		t.Errorf("Shutdown() = %v", err)
	}
}

// The server of golang.org/x/net/http2 is as good as that of net/http.
func TestAcceptOtherServer(t *testing.T) {
	checkLeaks(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	handler := websocket.Handler{Serve: func(c *websocket.Conn, _ *http.Request) { echo(c) }}
	served := make(chan struct{})
	go func() {
		defer close(served)
		conn, err := l.Accept()
		if err == nil {
			new(http2.Server).ServeConn(conn, &http2.ServeConnOpts{Handler: handler}) //nolint:staticcheck // a connection of one's own
		}
	}()
	tr := transport(t, nil)
	c, _, err := websocket.Dial(t.Context(), "ws://"+l.Addr().String(), &websocket.DialOptions{Connector: tr})
	if err != nil {
		t.Fatal(err)
	}
	mustEcho(t, c, websocket.Text, []byte("hello"))
	if err := c.Close(websocket.CloseNormal, ""); err != nil {
		t.Errorf("Close() = %v", err)
	}
	tr.Close()
	l.Close()
	<-served
}
