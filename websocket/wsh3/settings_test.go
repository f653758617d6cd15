package wsh3_test

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/quicvarint"

	"github.com/seed-15847954/ropewalk/websocket"
)

// RFC 9220, section 3: the server's SETTINGS have 0x08 = 1, once, and never anything
// else later. One from a client has no effect (RFC 8441, section 3).
// Checks 9220-1.
func TestServerSettings(t *testing.T) {
	checkLeaks(t)
	s := serve(t, echo(nil))
	for _, own := range [][]uint64{nil, {0x08, 0}, {0x08, 1}} {
		c, err := quic.DialAddr(waiting(t), s.addr, clientTLS(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer c.CloseWithError(0x100, "")
		sendSettings(t, c, own...)
		control, err := c.AcceptUniStream(waiting(t))
		if err != nil {
			t.Fatal(err)
		}
		if typ, err := quicvarint.Read(quicvarint.NewReader(control)); typ != 0 || err != nil {
			t.Fatalf("the server's first stream is of type %#x, %v, want the control stream", typ, err)
		}
		typ, p := readFrame(t, control)
		if typ != 0x04 {
			t.Fatalf("first frame of type %#x, want SETTINGS", typ)
		}
		seen := map[uint64]uint64{}
		for r := bytes.NewReader(p); r.Len() > 0; {
			id, _ := quicvarint.Read(r)
			value, _ := quicvarint.Read(r)
			if _, twice := seen[id]; twice {
				t.Errorf("setting %#x is there twice", id)
			}
			seen[id] = value
		}
		if seen[0x08] != 1 {
			t.Errorf("SETTINGS = %v, want 0x08 = 1 among them", seen)
		}
		str, err := c.OpenStreamSync(waiting(t))
		if err != nil {
			t.Fatal(err)
		}
		send(t, str, headersFrame(":method", "CONNECT", ":protocol", "websocket", ":scheme", "https", ":authority", s.addr,
			":path", "/", "sec-websocket-version", "13"))
		if _, block := readFrame(t, str); true {
			if _, values := fields(t, block); values[":status"] != "200" {
				t.Errorf("with the client's settings %v: status %s, want 200", own, values[":status"])
			}
		}
	}
}

// dialing dials in the background.
func dialing(ctx context.Context, connector websocket.Connector, url string) <-chan error {
	dialed := make(chan error, 1)
	go func() {
		c, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{Connector: connector})
		if err == nil {
			c.CloseNow()
		}
		dialed <- err
	}()
	return dialed
}

// roundTrip returns when the client has answered something that was sent after all
// before: a stream of a type that it does not know, which it must refuse.
func roundTrip(t *testing.T, c *quic.Conn) {
	t.Helper()
	str, err := c.OpenUniStreamSync(waiting(t))
	if err != nil {
		t.Fatal(err)
	}
	send(t, str, quicvarint.Append(nil, 0x21))
	<-str.Context().Done()
}

// RFC 9220, section 3: the extended CONNECT is sent when the setting has come, and not
// before; and it has what RFC 8441 says, in a HEADERS frame.
// Checks 9220-2, 9220-3, 9220-7.
func TestClientWaitsForSettings(t *testing.T) {
	checkLeaks(t)
	s := rawServe(t)
	dialed := dialing(waiting(t), transport(t), "wss://"+s.addr+"/chat?room=1")
	c := s.accept(t)
	if _, err := c.AcceptUniStream(waiting(t)); err != nil { // the client's control stream
		t.Fatal(err)
	}
	var offered atomic.Bool
	early := make(chan bool, 1)
	requests := make(chan *quic.Stream, 1)
	go func() {
		str, err := c.AcceptStream(context.Background())
		early <- !offered.Load()
		if err == nil {
			requests <- str
		}
	}()
	roundTrip(t, c)
	offered.Store(true)
	sendSettings(t, c, 0x08, 1)
	str := receive(t, requests)
	if receive(t, early) {
		t.Error("the request came before the setting")
	}
	typ, block := readFrame(t, str)
	if typ != 0x01 {
		t.Fatalf("first frame of type %#x, want HEADERS", typ)
	}
	names, values := fields(t, block)
	want := map[string]string{
		":method": "CONNECT", ":protocol": "websocket", ":scheme": "https", ":authority": s.addr, ":path": "/chat?room=1",
		"sec-websocket-version": "13",
	}
	if !maps.Equal(values, want) || len(names) != len(want) {
		t.Errorf("the request has %v (%v), want %v", values, names, want)
	}
	if i := slices.IndexFunc(names, func(name string) bool { return name[0] != ':' }); i != len(names)-1 {
		t.Errorf("pseudo-headers do not come first: %v", names)
	}
	send(t, str, headersFrame(":status", "200"))
	if err := receive(t, dialed); err != nil {
		t.Errorf("Dial: %v", err)
	}
}

// RFC 9220, section 3: without the setting there is no extended CONNECT, and the error
// says so; with FallBack, HTTP/1.1 is tried.
// Checks 9220-1, 9220-2.
func TestClientWithoutSetting(t *testing.T) {
	checkLeaks(t)
	for _, settings := range [][]uint64{nil, {0x08, 0}, {0x21, 1}} {
		s := rawServe(t)
		dialed := dialing(waiting(t), transport(t), "wss://"+s.addr+"/")
		c := s.accept(t)
		sendSettings(t, c, settings...)
		if err := receive(t, dialed); !errors.Is(err, websocket.ErrNoExtendedConnect) {
			t.Errorf("Dial with SETTINGS %v = %v, want ErrNoExtendedConnect", settings, err)
		}
		roundTrip(t, c)
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if str, err := c.AcceptStream(ctx); err == nil {
			t.Errorf("the client has opened stream %v", str.StreamID())
		}
	}
}

// RFC 8441, section 3: a value other than 0 and 1 is an error of the connection.
// Checks 9220-1.
func TestClientWrongSetting(t *testing.T) {
	checkLeaks(t)
	s := rawServe(t)
	ctx, cancel := context.WithCancel(waiting(t))
	defer cancel()
	dialed := dialing(ctx, transport(t), "wss://"+s.addr+"/")
	c := s.accept(t)
	sendSettings(t, c, 0x08, 2)
	<-c.Context().Done()
	e, ok := errors.AsType[*quic.ApplicationError](context.Cause(c.Context()))
	if !ok || !e.Remote {
		t.Errorf("the connection ended with %v, want an error of the client", context.Cause(c.Context()))
	}
	cancel() // of the second attempt
	if err := receive(t, dialed); err == nil {
		t.Error("Dial: no error")
	}
}

// There is no HTTP/3 without TLS.
func TestPlainURL(t *testing.T) {
	tr := transport(t)
	if err := receive(t, dialing(waiting(t), tr, "ws://127.0.0.1:1/")); !errors.Is(err, websocket.ErrNoExtendedConnect) {
		t.Errorf("Dial of a ws URL = %v, want ErrNoExtendedConnect", err)
	}
}
