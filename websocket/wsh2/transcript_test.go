package wsh2_test

import (
	"errors"
	"maps"
	"net"
	"net/http"
	"net/url"
	"testing"

	"github.com/seed-15847954/ropewalk/websocket"
	"github.com/seed-15847954/ropewalk/websocket/internal/transcript"
	"github.com/seed-15847954/ropewalk/websocket/wsh2"
	"golang.org/x/net/http2"
)

// TestTranscripts replays the conversations that every WebSocket must stand over
// streams of HTTP/2: a connection of Accept at net/http, with a raw stream of the
// Transport as its peer, and one of Dial, with a server written frame by frame.
//
// Checks 8441-16, 8441-17.
func TestTranscripts(t *testing.T) {
	different := transcript.Test(t, transcript.Carrier{
		Open: func(t *testing.T, role websocket.Role, params websocket.Params, application func(*websocket.Conn)) (*websocket.Conn, transcript.Stream) {
			if role == websocket.Server {
				return acceptTranscript(t, params, application)
			}
			return dialTranscript(t, params, application)
		},
		Reset: func(role websocket.Role, err error) bool {
			reset, ok := errors.AsType[*wsh2.ResetError](err)
			if role == websocket.Server { // net/http has no other code for it
				return ok && reset.Code == uint32(http2.ErrCodeInternal)
			}
			return ok && reset.Code == uint32(http2.ErrCodeCancel)
		},
		Reasons: func(role websocket.Role) []transcript.Reason {
			if role == websocket.Server {
				return []transcript.Reason{transcript.WholeEnd}
			}
			return nil
		},
	})
	if want := map[transcript.Reason]int{transcript.WholeEnd: 5}; !maps.Equal(different, want) {
		t.Errorf("cases that differ: %v, want %v", different, want)
	}
}

// acceptTranscript returns a connection of Accept and the client's end of its stream.
func acceptTranscript(t *testing.T, params websocket.Params, application func(*websocket.Conn)) (*websocket.Conn, transcript.Stream) {
	l := &memoryListener{streams: make(chan net.Conn), closed: make(chan struct{})}
	conns := make(chan *websocket.Conn, 1)
	srv := &http.Server{Protocols: new(http.Protocols), Handler: websocket.Handler{
		Options: transcript.AcceptOptions(params),
		Serve: func(c *websocket.Conn, _ *http.Request) {
			conns <- c
			application(c)
		},
	}}
	srv.Protocols.SetUnencryptedHTTP2(true)
	go srv.Serve(l)
	tr := &wsh2.Transport{DialContext: l.dial}
	t.Cleanup(func() {
		tr.Close()
		srv.Close()
	})
	r := &http.Request{
		Method: http.MethodConnect, Proto: "websocket", URL: &url.URL{Scheme: "http", Host: "example.com"}, Host: "example.com",
		Header: http.Header{"Sec-Websocket-Version": {"13"}},
	}
	if extensions := transcript.Extensions(params); extensions != "" {
		r.Header.Set("Sec-WebSocket-Extensions", extensions)
	}
	resp, stream, err := tr.Connect(t.Context(), r)
	if err != nil || stream == nil || resp.Header.Get("Sec-WebSocket-Extensions") != transcript.Extensions(params) {
		t.Fatalf("Connect() = %v, %v, %v", resp, stream, err)
	}
	return <-conns, stream.(transcript.Stream)
}

// dialTranscript returns a connection of Dial and the server's end of its stream.
func dialTranscript(t *testing.T, params websocket.Params, application func(*websocket.Conn)) (*websocket.Conn, transcript.Stream) {
	l := &memoryListener{streams: make(chan net.Conn), closed: make(chan struct{})}
	tr := &wsh2.Transport{DialContext: l.dial}
	t.Cleanup(func() { tr.Close() })
	served := make(chan *serverStream, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			t.Error(err)
			return
		}
		p := newPeer(t, conn)
		p.readPreface()
		head := []string{":status: 200"}
		if extensions := transcript.Extensions(params); extensions != "" {
			head = append(head, "sec-websocket-extensions: "+extensions)
		}
		served <- newServerStream(p, head...)
	}()
	c, _, err := websocket.Dial(t.Context(), "ws://example.com/", transcript.DialOptions(params, tr))
	if err != nil {
		t.Fatal(err)
	}
	go application(c)
	return c, <-served
}
