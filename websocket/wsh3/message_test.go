package wsh3_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"

	"github.com/seed-15847954/ropewalk/websocket"
	"github.com/seed-15847954/ropewalk/websocket/frame"
	"github.com/seed-15847954/ropewalk/websocket/wsh3"
)

// RFC 9220, section 3: the DATA frames are the byte stream, wherever they are cut.
// Checks 9220-5.
func TestSplitAnywhere(t *testing.T) {
	checkLeaks(t)
	s := serve(t, echo(nil))
	c := rawDial(t, s)
	messages := append(wsFrame(true, frame.Text, "split anywhere"), wsFrame(true, frame.Binary, "another")...)
	want := append(wsFrame(false, frame.Text, "split anywhere"), wsFrame(false, frame.Binary, "another")...)
	for size := 1; size <= len(messages); size++ {
		str, _ := c.connect(t, "websocket", handshake())
		for p := messages; len(p) > 0; {
			n := min(size, len(p))
			send(t, str, p[:n]) // one DATA frame
			p = p[n:]
		}
		got := make([]byte, len(want))
		if _, err := io.ReadFull(str, got); err != nil || !bytes.Equal(got, want) {
			t.Errorf("in pieces of %d: %q, %v, want %q", size, got, err, want)
		}
		str.CancelWrite(cancelled)
		str.CancelRead(cancelled)
	}
}

// Checks 9220-5.
func TestMessages(t *testing.T) {
	checkLeaks(t)
	opts := &websocket.AcceptOptions{Limits: websocket.Limits{MaxMessageSize: -1}, Subprotocols: []string{"chat"}}
	s := serve(t, echo(opts))
	c := dial(t, s.url(), &websocket.DialOptions{Limits: websocket.Limits{MaxMessageSize: -1}, Subprotocols: []string{"talk", "chat"}})
	if got := c.Subprotocol(); got != "chat" {
		t.Errorf("Subprotocol = %q, want chat", got)
	}
	for _, size := range []int{0, 1, 125, 126, 4 << 10, 64 << 10, 1 << 20, 5 << 20} {
		wantEcho(t, c, websocket.Binary, bytes.Repeat([]byte{byte(size >> 3)}, size))
	}
	if err := c.Close(websocket.CloseNormal, ""); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// permessage-deflate is negotiated and used as over HTTP/1.1 (RFC 7692).
func TestCompression(t *testing.T) {
	checkLeaks(t)
	deflate := &websocket.Compression{Threshold: -1}
	s := serve(t, echo(&websocket.AcceptOptions{Compression: deflate}))
	c := dial(t, s.url(), &websocket.DialOptions{Compression: deflate})
	for range 3 {
		wantEcho(t, c, websocket.Text, bytes.Repeat([]byte("compressible "), 1000))
	}
	raw := rawDial(t, s)
	_, resp := raw.connect(t, "websocket", handshake("Sec-WebSocket-Extensions", "permessage-deflate"))
	if got := resp.Header.Get("Sec-WebSocket-Extensions"); got != "permessage-deflate" {
		t.Errorf("Sec-WebSocket-Extensions = %q, want permessage-deflate", got)
	}
}

// A context ends one call: reading goes on where it was, wherever that is.
func TestReadResumes(t *testing.T) {
	checkLeaks(t)
	s, conns := accepted(t, nil)
	c := rawDial(t, s)
	str, err := c.quic.OpenStreamSync(waiting(t))
	if err != nil {
		t.Fatal(err)
	}
	send(t, str, headersFrame(":method", "CONNECT", ":protocol", "websocket", ":scheme", "https", ":authority", s.addr,
		":path", "/", "sec-websocket-version", "13"))
	server := receive(t, conns)
	giveUp := func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		defer cancel()
		if _, _, err := server.Read(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("Read = %v, want the context's error", err)
		}
	}
	giveUp()
	for _, b := range h3Frame(0x21, []byte("grease")) {
		send(t, str, []byte{b})
		giveUp()
	}
	tunnel := h3Frame(0, wsFrame(true, frame.Text, "byte by byte, and yet whole, with a length of more than one byte......"))
	for _, b := range tunnel[:len(tunnel)-1] {
		send(t, str, []byte{b})
		giveUp()
	}
	send(t, str, tunnel[len(tunnel)-1:])
	_, p, err := server.Read(waiting(t))
	if err != nil || string(p[:12]) != "byte by byte" {
		t.Errorf("Read = %q, %v", p, err)
	}
}

// The same for the client.
func TestClientReadResumes(t *testing.T) {
	checkLeaks(t)
	client, server := pair(t)
	for i := range 20 {
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		if _, _, err := client.Read(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("Read = %v, want the context's error", err)
		}
		cancel()
		if err := server.Write(waiting(t), websocket.Text, []byte{byte('a' + i)}); err != nil {
			t.Fatal(err)
		}
		if _, p, err := client.Read(waiting(t)); err != nil || string(p) != string(rune('a'+i)) {
			t.Fatalf("Read = %q, %v", p, err)
		}
	}
	client.CloseNow()
}

// A WebSocket that nobody reads stops no other stream of its connection, not even
// when there are many.
func TestSlowReaderStopsNobody(t *testing.T) {
	checkLeaks(t)
	const slow = 30
	s, conns := accepted(t, nil)
	tr := transport(t)
	gaveUp := make(chan error, 2*slow)
	stuck, release := context.WithCancel(context.Background())
	for range slow {
		client := dial(t, s.url(), &websocket.DialOptions{Connector: tr})
		server := receive(t, conns)
		for _, c := range []*websocket.Conn{client, server} {
			go func() {
				for {
					if err := c.Write(stuck, websocket.Binary, make([]byte, 64<<10)); err != nil {
						gaveUp <- err
						return
					}
				}
			}()
		}
	}
	client := dial(t, s.url(), &websocket.DialOptions{Connector: tr})
	server := receive(t, conns)
	go func() {
		for {
			typ, p, err := server.Read(context.Background())
			if err != nil || server.Write(context.Background(), typ, p) != nil {
				return
			}
		}
	}()
	for range 20 {
		wantEcho(t, client, websocket.Binary, make([]byte, 100<<10))
	}
	release()
	for range 2 * slow {
		receive(t, gaveUp)
	}
}

// A server with the settings of quic-go itself works as well.
func TestQUICDefaults(t *testing.T) {
	checkLeaks(t)
	s := serve(t, echo(nil), func(s *http3.Server) { s.QUICConfig = nil })
	c := dial(t, s.url(), nil)
	wantEcho(t, c, websocket.Text, []byte("hello"))
	_ = c.Close(websocket.CloseNormal, "")
}

// What a handler does behind its end, the WebSocket survives.
func TestConnOutlivesHandler(t *testing.T) {
	checkLeaks(t)
	conns := make(chan *websocket.Conn, 1)
	returned := make(chan struct{})
	s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(returned)
		c, err := wsh3.Accept(w, r, nil)
		if err != nil {
			t.Errorf("Accept: %v", err)
		}
		conns <- c
	}))
	client := dial(t, s.url(), nil)
	server := receive(t, conns)
	<-returned
	if err := server.Write(waiting(t), websocket.Text, []byte("still here")); err != nil {
		t.Fatal(err)
	}
	if _, p, err := client.Read(waiting(t)); err != nil || string(p) != "still here" {
		t.Errorf("Read = %q, %v", p, err)
	}
	server.CloseNow()
}
