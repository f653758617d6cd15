package wsh3_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/quicvarint"

	"github.com/seed-15847954/ropewalk/websocket"
	"github.com/seed-15847954/ropewalk/websocket/wsh3"
)

// counting counts the QUIC connections of a server.
func counting(n *atomic.Int32) func(*http3.Server) {
	return func(s *http3.Server) {
		s.ConnContext = func(ctx context.Context, _ *quic.Conn) context.Context {
			n.Add(1)
			return ctx
		}
	}
}

func TestTransportShares(t *testing.T) {
	checkLeaks(t)
	var connections atomic.Int32
	s := serve(t, echo(nil), counting(&connections))
	tr := transport(t)
	tr.MaxStreams = 2
	for i, want := range []int32{1, 1, 2, 2} {
		c := dial(t, s.url(), &websocket.DialOptions{Connector: tr})
		wantEcho(t, c, websocket.Text, []byte("hello"))
		if got := connections.Load(); got != want {
			t.Errorf("%d WebSockets are on %d connections, want %d", i+1, got, want)
		}
		if i == 3 {
			c.CloseNow() // its place is free again
			dial(t, s.url(), &websocket.DialOptions{Connector: tr})
		}
	}
	if got := connections.Load(); got != 2 {
		t.Errorf("there are %d connections, want 2", got)
	}
}

// Dials at the same time share a connection that is only being opened.
func TestTransportSharesDial(t *testing.T) {
	checkLeaks(t)
	var connections atomic.Int32
	s := serve(t, echo(nil), counting(&connections))
	tr := transport(t)
	results := make([]<-chan error, 20)
	for i := range results {
		results[i] = dialing(waiting(t), tr, s.url())
	}
	for _, result := range results {
		if err := receive(t, result); err != nil {
			t.Errorf("Dial: %v", err)
		}
	}
	if got := connections.Load(); got != 1 {
		t.Errorf("%d connections, want 1", got)
	}
}

// More WebSockets than the server allows on a connection: Connect waits for one to end.
func TestTransportWaitsForStream(t *testing.T) {
	checkLeaks(t)
	s := serve(t, echo(nil), func(s *http3.Server) { s.QUICConfig.MaxIncomingStreams = 1 })
	tr := transport(t)
	first := dial(t, s.url(), &websocket.DialOptions{Connector: tr})
	wantEcho(t, first, websocket.Text, []byte("hello"))
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if err := receive(t, dialing(ctx, tr, s.url())); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Dial = %v, want the context's error", err)
	}
	second := dialing(waiting(t), tr, s.url())
	if err := first.Close(websocket.CloseNormal, ""); err != nil {
		t.Errorf("Close: %v", err)
	}
	if err := receive(t, second); err != nil {
		t.Errorf("Dial: %v", err)
	}
}

// RFC 9114, section 5.2: after GOAWAY there are no new streams on a connection, and
// those that are open go on.
func TestTransportGoAway(t *testing.T) {
	checkLeaks(t)
	s := rawServe(t)
	tr := transport(t)
	var clients []*websocket.Conn
	var servers []*quic.Stream
	for range 2 {
		dialed := make(chan *websocket.Conn, 1)
		go func() {
			c, _, err := websocket.Dial(waiting(t), "wss://"+s.addr+"/", &websocket.DialOptions{Connector: tr})
			if err != nil {
				t.Errorf("Dial: %v", err)
			}
			dialed <- c
		}()
		conn := s.accept(t) // a new one each time
		control := sendSettings(t, conn, 0x08, 1)
		str, _, _ := request(t, conn)
		send(t, str, headersFrame(":status", "200"))
		clients, servers = append(clients, receive(t, dialed)), append(servers, str)
		send(t, control, h3Frame(0x07, quicvarint.Append(nil, 4)))
		roundTrip(t, conn)
	}
	for i, str := range servers {
		send(t, str, h3Frame(0, []byte("\x81\x02hi")))
		if _, p, err := clients[i].Read(waiting(t)); err != nil || string(p) != "hi" {
			t.Errorf("Read = %q, %v", p, err)
		}
		clients[i].CloseNow()
	}
}

// A server that shuts down in good order is left by the clients as soon as their
// WebSockets have ended.
func TestShutdown(t *testing.T) {
	checkLeaks(t)
	s, conns := accepted(t, nil)
	tr := transport(t)
	client := dial(t, s.url(), &websocket.DialOptions{Connector: tr})
	server := receive(t, conns)
	down := make(chan error, 1)
	go func() { down <- s.Shutdown(waiting(t)) }()
	go server.Close(websocket.CloseGoingAway, "shutdown")
	_, _, err := client.Read(waiting(t))
	if e := closeError(t, err); e.Code != websocket.CloseGoingAway || !e.Remote {
		t.Errorf("Read = %v, want 1001", err)
	}
	if err := receive(t, down); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}

// RFC 9114, section 4.1.1: a request that the server has rejected is done again, once.
func TestTransportRejected(t *testing.T) {
	checkLeaks(t)
	s := rawServe(t)
	dialed := dialing(waiting(t), transport(t), "wss://"+s.addr+"/")
	for range 2 {
		conn := s.accept(t)
		sendSettings(t, conn, 0x08, 1)
		str, _, _ := request(t, conn)
		str.CancelRead(quic.StreamErrorCode(http3.ErrCodeRequestRejected))
		str.CancelWrite(quic.StreamErrorCode(http3.ErrCodeRequestRejected))
	}
	err := receive(t, dialed)
	if e, ok := errors.AsType[*http3.Error](err); !ok || e.ErrorCode != http3.ErrCodeRequestRejected {
		t.Errorf("Dial = %v, want H3_REQUEST_REJECTED", err)
	}
}

// A connection that has ended is replaced.
func TestTransportAfterEnd(t *testing.T) {
	checkLeaks(t)
	quicConns := make(chan *quic.Conn, 10)
	s := serve(t, echo(nil), func(s *http3.Server) {
		s.ConnContext = func(ctx context.Context, c *quic.Conn) context.Context {
			quicConns <- c
			return ctx
		}
	})
	tr := transport(t)
	for range 3 {
		c := dial(t, s.url(), &websocket.DialOptions{Connector: tr})
		wantEcho(t, c, websocket.Text, []byte("hello"))
		receive(t, quicConns).CloseWithError(0x102, "")
		_, _, err := c.Read(waiting(t))
		if e := closeError(t, err); e.Code != websocket.CloseAbnormal || !e.Remote {
			t.Errorf("Read = %v, want 1006 by the peer", err)
		}
	}
}

func TestTransportIdle(t *testing.T) {
	checkLeaks(t)
	quicConns := make(chan *quic.Conn, 10)
	s := serve(t, echo(nil), func(s *http3.Server) {
		s.ConnContext = func(ctx context.Context, c *quic.Conn) context.Context {
			quicConns <- c
			return ctx
		}
	})
	tr := transport(t)
	tr.IdleTimeout = time.Millisecond
	for range 3 {
		c := dial(t, s.url(), &websocket.DialOptions{Connector: tr})
		wantEcho(t, c, websocket.Text, []byte("hello"))
		if err := c.Close(websocket.CloseNormal, ""); err != nil {
			t.Errorf("Close: %v", err)
		}
		conn := receive(t, quicConns)
		<-conn.Context().Done()
		e, ok := errors.AsType[*quic.ApplicationError](context.Cause(conn.Context()))
		if !ok || !e.Remote || e.ErrorCode != quic.ApplicationErrorCode(http3.ErrCodeNoError) {
			t.Errorf("the connection ended with %v, want H3_NO_ERROR by the client", context.Cause(conn.Context()))
		}
	}
}

func TestTransportClose(t *testing.T) {
	checkLeaks(t)
	s := serve(t, echo(nil))
	tr := &wsh3.Transport{TLSConfig: clientTLS()}
	c := dial(t, s.url(), &websocket.DialOptions{Connector: tr})
	wantEcho(t, c, websocket.Text, []byte("hello"))
	nobody, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer nobody.Close()
	stuck := dialing(waiting(t), tr, "wss://"+nobody.LocalAddr().String()+"/")
	if _, _, err := nobody.ReadFrom(make([]byte, 2<<10)); err != nil { // the dial is under way
		t.Fatal(err)
	}
	if err, again := tr.Close(), tr.Close(); err != nil || again != nil {
		t.Errorf("Close = %v, and then %v", err, again)
	}
	_, _, err = c.Read(waiting(t))
	if e := closeError(t, err); e.Code != websocket.CloseAbnormal {
		t.Errorf("Read = %v, want 1006", err)
	}
	if err := receive(t, stuck); err == nil {
		t.Error("Dial during Close: no error")
	}
	if err := receive(t, dialing(waiting(t), tr, s.url())); !errors.Is(err, wsh3.ErrTransportClosed) {
		t.Errorf("Dial after Close = %v, want ErrTransportClosed", err)
	}
	if err := new(wsh3.Transport).Close(); err != nil {
		t.Errorf("Close of an unused Transport = %v", err)
	}
}

// The context ends each of the waits of Connect, and a request that is out is reset.
func TestConnectCancelled(t *testing.T) {
	checkLeaks(t)
	tr := transport(t)
	nobody, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer nobody.Close()
	ctx, cancel := context.WithCancel(context.Background())
	dialed := dialing(ctx, tr, "wss://"+nobody.LocalAddr().String()+"/")
	if _, _, err := nobody.ReadFrom(make([]byte, 2<<10)); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := receive(t, dialed); !errors.Is(err, context.Canceled) {
		t.Errorf("Dial without an answer = %v, want the context's error", err)
	}

	s := rawServe(t)
	ctx, cancel = context.WithCancel(context.Background())
	dialed = dialing(ctx, tr, "wss://"+s.addr+"/")
	conn := s.accept(t)
	if _, err := conn.AcceptUniStream(waiting(t)); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := receive(t, dialed); !errors.Is(err, context.Canceled) {
		t.Errorf("Dial without SETTINGS = %v, want the context's error", err)
	}

	ctx, cancel = context.WithCancel(context.Background())
	dialed = dialing(ctx, tr, "wss://"+s.addr+"/")
	sendSettings(t, conn, 0x08, 1)
	str, _, _ := request(t, conn)
	cancel()
	if err := receive(t, dialed); !errors.Is(err, context.Canceled) {
		t.Errorf("Dial without answer = %v, want the context's error", err)
	}
	wantReset(t, str, cancelled)
}

// What a server can answer, and what comes of it.
func TestAnswers(t *testing.T) {
	checkLeaks(t)
	status := func(fields ...string) []byte { return headersFrame(append([]string{":status"}, fields...)...) }
	hint := status("103", "link", "</a>")
	tests := []struct {
		name   string
		answer []byte
		want   string // in the error; "" for none
	}{
		{"200", status("200"), ""},
		{"another 2xx", status("201"), ""},
		{"interim answers", append(append([]byte{}, hint...), append(hint, status("200")...)...), ""},
		{"endless interim answers", []byte(strings.Repeat(string(hint), 10)), "interim"},
		{"101", status("101"), "101"},
		{"404", status("404"), "404"},
		{"a length", status("200", "content-length", "0"), "Content-Length"},
		{"Connection", status("200", "connection", "upgrade"), "connection"},
		{"an endless header", status("200", "a", strings.Repeat("a", 70<<10)), "large"},
		{"a subprotocol that was not offered", status("200", "sec-websocket-protocol", "chat"), "subprotocol"},
		{"an extension that was not offered", status("200", "sec-websocket-extensions", "permessage-deflate"), "permessage-deflate"},
		{"no status", headersFrame("a", "b"), ":status"},
	}
	s := rawServe(t)
	tr := transport(t)
	var conn *quic.Conn
	for _, test := range tests {
		ctx, cancel := context.WithCancel(waiting(t))
		dialed := dialing(ctx, tr, "wss://"+s.addr+"/")
		if conn == nil {
			conn = s.accept(t)
			sendSettings(t, conn, 0x08, 1)
		}
		str, _, _ := request(t, conn)
		if _, err := str.Write(test.answer); err != nil && test.want == "" {
			t.Errorf("%s: %v", test.name, err)
		}
		if test.name == test.want { // a refusal
			str.Close()
		}
		err := receive(t, dialed)
		cancel()
		switch {
		case test.want == "" && err != nil:
			t.Errorf("%s: %v", test.name, err)
		case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%s: error %v, want one about %s", test.name, err, test.want)
		}
		str.CancelRead(cancelled)
		str.CancelWrite(cancelled)
	}
	if conn.Context().Err() != nil {
		t.Errorf("the connection has ended: %v", context.Cause(conn.Context()))
	}
}

// A refusal comes with its body.
func TestRefusedWithBody(t *testing.T) {
	checkLeaks(t)
	s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "not here", http.StatusNotFound)
	}))
	tr := transport(t)
	for range 3 {
		_, resp, err := websocket.Dial(waiting(t), s.url(), &websocket.DialOptions{Connector: tr})
		e, ok := errors.AsType[*websocket.HandshakeError](err)
		if !ok || e.Status != http.StatusNotFound {
			t.Fatalf("Dial = %v, want a HandshakeError with 404", err)
		}
		if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "not here\n" {
			t.Errorf("body = %q, %v", body, err)
		}
	}
}

// Names are looked up, and certificates verified for them.
func TestTransportNames(t *testing.T) {
	checkLeaks(t)
	s := serve(t, echo(nil))
	_, port, _ := net.SplitHostPort(s.addr)
	config := clientTLS()
	config.ServerName = ""
	tr := &wsh3.Transport{TLSConfig: config, QUICConfig: &quic.Config{HandshakeIdleTimeout: time.Second}}
	defer tr.Close()
	if err := receive(t, dialing(waiting(t), tr, "wss://localhost:"+port+"/")); err != nil {
		t.Errorf("Dial of localhost: %v", err)
	}
	strict := &wsh3.Transport{}
	defer strict.Close()
	err := receive(t, dialing(waiting(t), strict, s.url()))
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); !ok && !strings.Contains(err.Error(), "certificate") {
		t.Errorf("Dial without trust = %v, want an error about the certificate", err)
	}
}

// Dial replaces the opening of connections.
func TestTransportDial(t *testing.T) {
	checkLeaks(t)
	s := serve(t, echo(nil))
	asked := make(chan string, 1)
	tr := transport(t)
	tr.Dial = func(ctx context.Context, address string, tc *tls.Config, qc *quic.Config) (*quic.Conn, error) {
		asked <- address
		return quic.DialAddr(ctx, s.addr, tc, qc)
	}
	c := dial(t, "wss://example.com/", &websocket.DialOptions{Connector: tr})
	wantEcho(t, c, websocket.Text, []byte("hello"))
	if got := receive(t, asked); got != "example.com:443" {
		t.Errorf("Dial was asked for %s", got)
	}
}

// With FallBack a server that has no extended CONNECT is asked over HTTP/1.1.
func TestFallBack(t *testing.T) {
	checkLeaks(t)
	tcp := httptest.NewUnstartedServer(echo(nil))
	tcp.TLS = serverTLS()
	tcp.TLS.NextProtos = nil
	tcp.StartTLS()
	t.Cleanup(tcp.Close)
	addr := tcp.Listener.Addr().String()
	s := rawServeAt(t, addr)
	go func() {
		if c, err := s.Accept(context.Background()); err == nil {
			sendSettings(t, c)
		}
	}()
	c := dial(t, "wss://"+addr+"/", &websocket.DialOptions{Connector: transport(t), FallBack: true, TLSConfig: clientTLS()})
	wantEcho(t, c, websocket.Text, []byte("hello"))
	_ = c.Close(websocket.CloseNormal, "")
}
