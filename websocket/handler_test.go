package websocket_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
	"weak"

	"github.com/seed-15847954/ropewalk/websocket"
	"github.com/seed-15847954/ropewalk/websocket/wstest"
)

// A syncBuffer is a log that is written and read by different goroutines.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// handle starts a server with a Handler on /room/{name}, and returns its address and
// its log.
func handle(t *testing.T, serve func(c *websocket.Conn, r *http.Request)) (string, *syncBuffer) {
	t.Helper()
	checkLeaks(t)
	mux := http.NewServeMux()
	mux.Handle("/room/{name}", websocket.Handler{Serve: serve})
	s := httptest.NewUnstartedServer(mux)
	logged := &syncBuffer{}
	s.Config.ErrorLog = log.New(logged, "", 0)
	s.Start()
	t.Cleanup(s.Close)
	return "ws" + strings.TrimPrefix(s.URL, "http"), logged
}

func dialled(t *testing.T, url string) *websocket.Conn {
	t.Helper()
	c, _, err := websocket.Dial(soon(t), url, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	return c
}

// Serve has the connection and the request, whose context lives and dies with the
// connection, not with the HTTP handler.
func TestHandler(t *testing.T) {
	type result struct {
		err, cause error
	}
	results := make(chan result, 1)
	url, _ := handle(t, func(c *websocket.Conn, r *http.Request) {
		ctx := r.Context()
		if name := r.PathValue("name"); name != "blue" || r.URL.RawQuery != "x=1" || r.Header.Get("Upgrade") != "websocket" {
			t.Errorf("Serve got %v with name %q, want the request", r.URL, name)
		}
		if _, ok := ctx.Value(http.ServerContextKey).(*http.Server); !ok {
			t.Error("the context has not the values of the server's")
		}
		if b, err := io.ReadAll(r.Body); len(b) > 0 || err != nil {
			t.Errorf("body = %q, %v, want none", b, err)
		}
		child, cancel := context.WithCancel(ctx)
		defer cancel()
		typ, p, err := c.Read(ctx)
		if err == nil {
			err = c.Write(ctx, typ, p)
		}
		if ctx.Err() != nil {
			t.Errorf("Err() = %v while the connection lives", ctx.Err())
		}
		if err == nil {
			_, _, err = c.Read(context.Background())
		}
		<-child.Done()
		results <- result{err, context.Cause(child)}
	})
	c := dialled(t, url+"/room/blue?x=1")
	mustWrite(t, c, websocket.Text, []byte("hello"))
	mustRead(t, c, websocket.Text, []byte("hello"))
	if err := c.Close(websocket.CloseGoingAway, "bye"); err != nil {
		t.Errorf("Close() = %v", err)
	}
	r := <-results
	wantClosed(t, "Read", r.err, websocket.CloseGoingAway)
	wantClosed(t, "context", r.cause, websocket.CloseGoingAway)
}

// RFC 6455, section 7.1.2: when Serve has returned the connection is closed with
// 1000, unless it has ended otherwise.
func TestHandlerCloses(t *testing.T) {
	url, logged := handle(t, func(c *websocket.Conn, r *http.Request) {
		switch r.PathValue("name") {
		case "own":
			c.Close(4000, "own")
		case "abort":
			panic(http.ErrAbortHandler)
		case "panic":
			panic("what the log tells")
		case "goexit":
			runtime.Goexit()
		}
	})
	for name, want := range map[string]websocket.CloseCode{
		"return": websocket.CloseNormal,
		"own":    4000,
		"panic":  websocket.CloseInternalError,
		"abort":  websocket.CloseAbnormal,
		"goexit": websocket.CloseAbnormal,
	} {
		_, _, err := dialled(t, url+"/room/"+name).Read(soon(t))
		wantClosed(t, name, err, want)
	}
	if got := logged.String(); strings.Count(got, "panic serving") != 1 || !strings.Contains(got, "what the log tells") ||
		!strings.Contains(got, "handler_test.go") {
		t.Errorf("log = %q, want the one panic and where it was", got)
	}
}

// A connection for which Serve has called Handle outlives Serve.
func TestHandlerHandle(t *testing.T) {
	ended := make(chan error, 1)
	url, _ := handle(t, func(c *websocket.Conn, _ *http.Request) { c.Handle(&echoing{ended}) })
	c := dialled(t, url+"/room/events")
	for _, text := range []string{"a", "b"} {
		mustWrite(t, c, websocket.Text, []byte(text))
		mustRead(t, c, websocket.Text, []byte(text))
	}
	c.Close(websocket.CloseNormal, "")
	wantClosed(t, "Closed", <-ended, websocket.CloseNormal)
}

type echoing struct{ ended chan error }

func (*echoing) Message(c *websocket.Conn, typ websocket.MessageType, p []byte) {
	_ = c.Write(context.Background(), typ, p)
}
func (e *echoing) Closed(_ *websocket.Conn, err error) { e.ended <- err }

// A request that Serve does not use any more is freed, although Serve goes on.
func TestHandlerFreesRequest(t *testing.T) {
	requests := make(chan weak.Pointer[http.Request], 1)
	url, _ := handle(t, func(c *websocket.Conn, r *http.Request) {
		requests <- weak.Make(r)
		c.Read(context.Background())
	})
	c := dialled(t, url+"/room/x")
	request := <-requests
	for tries := 0; request.Value() != nil; tries++ {
		if tries == 100 {
			t.Fatal("the request is still there")
		}
		runtime.GC()
		<-time.After(time.Millisecond)
	}
	c.CloseNow()
}

func TestHandlerRefuses(t *testing.T) {
	url, _ := handle(t, func(*websocket.Conn, *http.Request) { t.Error("Serve was called") })
	resp, err := http.Get("http" + strings.TrimPrefix(url, "ws") + "/room/x")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusUpgradeRequired {
		t.Errorf("status %d, want 426", resp.StatusCode)
	}
}

// A tunneler is the ResponseWriter of an extended CONNECT over a stream in memory.
type tunneler struct {
	header http.Header
	stream io.ReadWriteCloser
}

func (w *tunneler) Header() http.Header                 { return w.header }
func (w *tunneler) WriteHeader(int)                     {}
func (w *tunneler) Write(p []byte) (int, error)         { return 0, errors.ErrUnsupported }
func (w *tunneler) Tunnel() (io.ReadWriteCloser, error) { return w.stream, nil }

// RFC 8441, section 5: over HTTP/2 the connection ends with the request, so the
// handler stays until it has ended, in event mode too.
func TestHandlerTunnel(t *testing.T) {
	checkLeaks(t)
	closed := make(chan error, 1)
	for name, serve := range map[string]func(c *websocket.Conn, r *http.Request){
		"blocking": func(c *websocket.Conn, r *http.Request) {
			if b, err := io.ReadAll(r.Body); len(b) > 0 || err != nil {
				t.Errorf("body = %q, %v, want none", b, err)
			}
			typ, p, _ := c.Read(r.Context())
			c.Write(r.Context(), typ, p)
			_, _, err := c.Read(r.Context())
			closed <- err
		},
		"events": func(c *websocket.Conn, _ *http.Request) { c.Handle(&echoing{closed}) },
	} {
		stream, client := wstest.Streams()
		r := &http.Request{
			Method: http.MethodConnect, ProtoMajor: 2, Proto: "HTTP/2.0", URL: &url.URL{Path: "/"}, Host: "example.com",
			Header:        http.Header{":protocol": {"websocket"}, "Sec-Websocket-Version": {"13"}},
			ContentLength: -1, Body: io.NopCloser(strings.NewReader("frames")),
		}
		returned := make(chan struct{})
		go func() {
			defer close(returned)
			websocket.Handler{Serve: serve}.ServeHTTP(&tunneler{make(http.Header), stream}, r)
		}()
		c := websocket.NewConn(client, websocket.Client, websocket.Params{})
		mustWrite(t, c, websocket.Text, []byte("hello"))
		mustRead(t, c, websocket.Text, []byte("hello"))
		select {
		case <-returned:
			t.Errorf("%s: ServeHTTP returned before the end", name)
		default:
		}
		c.Close(websocket.CloseNormal, "")
		<-returned
		wantClosed(t, name, <-closed, websocket.CloseNormal)
	}
}
