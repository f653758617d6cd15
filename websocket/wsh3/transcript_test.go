package wsh3_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/testutils/simnet"

	"github.com/seed-15847954/ropewalk/websocket"
	"github.com/seed-15847954/ropewalk/websocket/internal/transcript"
	"github.com/seed-15847954/ropewalk/websocket/wsh3"
)

// TestTranscripts replays the conversations that every WebSocket must stand over
// streams of HTTP/3: a connection of Accept, with a raw stream of the Transport as its
// peer, and one of Dial, with a raw stream of quic-go's server. The packets of QUIC go
// through memory.
//
// Checks 9220-5, 9220-6.
func TestTranscripts(t *testing.T) {
	certificate() // by the clock of the machine
	different := transcript.Test(t, transcript.Carrier{
		Open: func(t *testing.T, role websocket.Role, params websocket.Params, application func(*websocket.Conn)) (*websocket.Conn, transcript.Stream) {
			if role == websocket.Server {
				return acceptTranscript(t, params, application)
			}
			return dialTranscript(t, params, application)
		},
		Reset: func(_ websocket.Role, err error) bool {
			if e, ok := errors.AsType[*http3.Error](err); ok {
				return e.Remote && e.ErrorCode == http3.ErrCodeRequestCanceled
			}
			e, ok := errors.AsType[*quic.StreamError](err)
			return ok && e.Remote && e.ErrorCode == cancelled
		},
		Slack: 100 * time.Millisecond,
	})
	if len(different) > 0 {
		t.Errorf("cases that differ: %v, want none", different)
	}
}

// acceptTranscript returns a connection of Accept and the client's end of its stream.
func acceptTranscript(t *testing.T, params websocket.Params, application func(*websocket.Conn)) (*websocket.Conn, transcript.Stream) {
	conns := make(chan *websocket.Conn, 1)
	tr := memoryServer(t, wsh3.Handler(websocket.Handler{
		Options: transcript.AcceptOptions(params),
		Serve: func(c *websocket.Conn, _ *http.Request) {
			conns <- c
			application(c)
		},
	}))
	r := &http.Request{
		Method: http.MethodConnect, Proto: "websocket", URL: &url.URL{Scheme: "https", Host: "example.com:443"}, Host: "example.com",
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
	served := make(chan *http3.Stream, 1)
	tr := memoryServer(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if extensions := transcript.Extensions(params); extensions != "" {
			w.Header().Set("Sec-WebSocket-Extensions", extensions)
		}
		w.WriteHeader(http.StatusOK)
		stream, err := w.(http3.HTTPStreamer).HTTPStream()
		if err != nil {
			t.Error(err)
		}
		served <- stream
	}))
	c, _, err := websocket.Dial(t.Context(), "wss://example.com:443/", transcript.DialOptions(params, tr))
	if err != nil {
		t.Fatal(err)
	}
	go application(c)
	return c, serverEnd{<-served}
}

// A serverEnd is a stream of quic-go as that of a peer.
type serverEnd struct{ *http3.Stream }

func (s serverEnd) CloseWrite() error { return s.Stream.Close() }

func (s serverEnd) Close() error {
	s.CancelRead(cancelled)
	s.CancelWrite(cancelled)
	return nil
}

// memoryServer starts a server of HTTP/3 in memory, inside a bubble of synctest, and
// returns a Transport that dials it. Packets arrive at once. Both end with the test.
func memoryServer(t *testing.T, handler http.Handler) *wsh3.Transport {
	router := &simnet.PerfectRouter{}
	serverAddr := &net.UDPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 443}
	serverConn := simnet.NewBlockingSimConn(serverAddr, router)
	clientConn := simnet.NewBlockingSimConn(&net.UDPAddr{IP: net.IPv4(10, 0, 0, 2), Port: 1024}, router)
	srv := &http3.Server{TLSConfig: serverTLS(), QUICConfig: wsh3.QUICConfig(), Handler: handler}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(serverConn) }()
	socket := &quic.Transport{Conn: clientConn}
	own := clientTLS()
	own.Time = certified
	own.CurvePreferences = []tls.CurveID{tls.X25519} // the fastest, for there are thousands of handshakes
	tr := &wsh3.Transport{
		TLSConfig: own,
		Dial: func(ctx context.Context, _ string, t *tls.Config, q *quic.Config) (*quic.Conn, error) {
			return socket.Dial(ctx, serverAddr, t, q)
		},
	}
	t.Cleanup(func() {
		tr.Close()
		socket.Close()
		clientConn.Close()
		srv.Close()
		serverConn.Close()
		<-served
	})
	return tr
}

// certified is a time at which the certificate of the tests is good, for tests whose
// clock is not that of the machine.
func certified() time.Time {
	own, _ := certificate()
	return own.Leaf.NotBefore.Add(time.Minute)
}
