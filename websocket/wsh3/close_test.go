package wsh3_test

import (
	"context"
	"errors"
	"io"
	"os"
	"testing"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/seed-15847954/ropewalk/websocket"
	"github.com/seed-15847954/ropewalk/websocket/frame"
)

// RFC 9220, section 3: the closing handshake is followed by the FIN of both
// directions, whoever begins it.
// Checks 9220-6.
func TestCloseEndsWithFIN(t *testing.T) {
	checkLeaks(t)
	s, conns := accepted(t, nil)
	c := rawDial(t, s)

	str, _ := c.connect(t, "websocket", handshake())
	ended := make(chan error, 1)
	server := receive(t, conns)
	go func() {
		_, _, err := server.Read(context.Background())
		ended <- err
	}()
	send(t, str, wsFrame(true, frame.Close, "\x03\xe8"))
	if got, err := io.ReadAll(str); err != nil || string(got) != "\x88\x02\x03\xe8" {
		t.Errorf("the answer to Close = %x, %v, want Close 1000 and FIN", got, err)
	}
	str.Close()
	if e := closeError(t, receive(t, ended)); e.Code != websocket.CloseNormal || !e.Remote {
		t.Errorf("the server ended with %v", e)
	}

	str, _ = c.connect(t, "websocket", handshake())
	server = receive(t, conns)
	go func() { ended <- server.Close(websocket.CloseGoingAway, "bye") }()
	got := make([]byte, len("\x88\x05\x03\xe9bye"))
	if _, err := io.ReadFull(str, got); err != nil || string(got) != "\x88\x05\x03\xe9bye" {
		t.Fatalf("from Close came %q, %v", got, err)
	}
	send(t, str, wsFrame(true, frame.Close, "\x03\xe9"))
	if rest, err := io.ReadAll(str); err != nil || len(rest) > 0 {
		t.Errorf("after the Close frames came %q, %v, want FIN", rest, err)
	}
	str.Close()
	if err := receive(t, ended); err != nil {
		t.Errorf("Close of the server: %v", err)
	}
}

// The same between the two sides of the library.
// Checks 9220-6.
func TestCloseBothSides(t *testing.T) {
	checkLeaks(t)
	for _, name := range []string{"client", "server"} {
		a, b := pair(t)
		if name == "server" {
			a, b = b, a
		}
		ended := make(chan error, 1)
		go func() {
			_, _, err := b.Read(context.Background())
			ended <- err
		}()
		if err := a.Close(4000, "done"); err != nil {
			t.Errorf("Close of the %s: %v", name, err)
		}
		if e := closeError(t, receive(t, ended)); e.Code != 4000 || e.Reason != "done" || !e.Remote {
			t.Errorf("the peer of the %s ended with %v", name, e)
		}
	}
}

// RFC 9220, section 3: a client that gets the server's FIN behind the Close frames
// ends its own side with FIN.
// Checks 9220-6.
func TestClientEndsWithFIN(t *testing.T) {
	checkLeaks(t)
	s := rawServe(t)
	tr := transport(t)
	dialed := make(chan *websocket.Conn, 1)
	go func() {
		c, _, err := websocket.Dial(context.Background(), "wss://"+s.addr+"/", &websocket.DialOptions{Connector: tr})
		if err != nil {
			t.Errorf("Dial: %v", err)
		}
		dialed <- c
	}()
	conn := s.accept(t)
	sendSettings(t, conn, 0x08, 1)
	str, _, _ := request(t, conn)
	send(t, str, headersFrame(":status", "200"))
	c := receive(t, dialed)
	ended := make(chan error, 1)
	go func() { ended <- c.Close(websocket.CloseNormal, "") }()
	if typ, p := readFrame(t, str); typ != 0 || len(p) != 8 || p[0] != 0x88 {
		t.Errorf("frame of type %#x with %x, want DATA with Close", typ, p)
	}
	send(t, str, h3Frame(0, wsFrame(false, frame.Close, "\x03\xe8")))
	str.Close()
	if rest, err := io.ReadAll(str); err != nil || len(rest) > 0 {
		t.Errorf("after the Close frames came %x, %v, want FIN", rest, err)
	}
	if err := receive(t, ended); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// RFC 9220, section 3: what would reset TCP is H3_REQUEST_CANCELLED, in both
// directions, on this stream alone.
// Checks 9220-6.
func TestResets(t *testing.T) {
	checkLeaks(t)
	s, conns := accepted(t, nil)
	c := rawDial(t, s)

	str, _ := c.connect(t, "websocket", handshake())
	receive(t, conns).CloseNow()
	wantReset(t, str, cancelled)

	str, _ = c.connect(t, "websocket", handshake())
	server := receive(t, conns)
	str.CancelWrite(cancelled)
	_, _, err := server.Read(waiting(t))
	if e := closeError(t, err); e.Code != websocket.CloseAbnormal || !e.Remote {
		t.Errorf("Read after RESET_STREAM = %v, want 1006 by the peer", err)
	}
	wantStreamError(t, "Read", err, cancelled)
	_, err = io.ReadAll(str)
	wantStreamError(t, "the other direction", err, cancelled)

	// FIN without a Close frame is answered with FIN (RFC 6455, section 7.1.5).
	str, _ = c.connect(t, "websocket", handshake())
	server = receive(t, conns)
	str.Close()
	_, _, err = server.Read(waiting(t))
	if e := closeError(t, err); e.Code != websocket.CloseAbnormal || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("Read after FIN = %v, want 1006 for an unexpected end", err)
	}
	if rest, err := io.ReadAll(str); err != nil || len(rest) > 0 {
		t.Errorf("after FIN came %x, %v, want FIN", rest, err)
	}
	c.get(t)
}

// The same for a client.
// Checks 9220-6.
func TestClientResets(t *testing.T) {
	checkLeaks(t)
	client, server := pair(t)
	client.CloseNow()
	_, _, err := server.Read(waiting(t))
	if e := closeError(t, err); e.Code != websocket.CloseAbnormal || !e.Remote {
		t.Errorf("Read of the server = %v, want 1006 by the peer", err)
	}
	wantStreamError(t, "Read of the server", err, cancelled)

	client, server = pair(t)
	server.CloseNow()
	_, _, err = client.Read(waiting(t))
	if e := closeError(t, err); e.Code != websocket.CloseAbnormal || !e.Remote {
		t.Errorf("Read of the client = %v, want 1006 by the peer", err)
	}
	wantStreamError(t, "Read of the client", err, cancelled)
}

// RFC 9114, section 4.4: of the known frames only DATA may come in a tunnel.
func TestFrameInTunnel(t *testing.T) {
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
	send(t, str, headersFrame("a", "trailer"))
	_, _, err = server.Read(waiting(t))
	if e := closeError(t, err); e.Code != websocket.CloseAbnormal {
		t.Errorf("Read = %v, want 1006", err)
	}
	wantReset(t, str, quic.StreamErrorCode(http3.ErrCodeFrameUnexpected))
	c.get(t)
}

// A peer that is gone without a word is found by the keepalive of WebSocket, and its
// stream is given up.
func TestSilentPeer(t *testing.T) {
	checkLeaks(t)
	s, conns := accepted(t, &websocket.AcceptOptions{KeepAlive: websocket.KeepAlive{Interval: 1e6, Timeout: 1e6}})
	c := rawDial(t, s)
	str, _ := c.connect(t, "websocket", handshake())
	_, _, err := receive(t, conns).Read(waiting(t))
	if e := closeError(t, err); e.Code != websocket.CloseAbnormal || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Read = %v, want 1006 for a deadline", err)
	}
	wantReset(t, str, cancelled)
}
