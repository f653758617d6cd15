package websocket_test

import (
	"bytes"
	"compress/flate"
	"io"
	"net/http"
	"testing"

	"github.com/seed-15847954/ropewalk/websocket"
	"github.com/seed-15847954/ropewalk/websocket/frame"
	"github.com/seed-15847954/ropewalk/websocket/wstest"
)

// distant is a message that only a window of more than 600 bytes compresses well:
// noise of that length, twice, and something easy behind it.
func distant() []byte {
	half := noise(7, 600)
	return append(append(half, half...), make([]byte, 300)...)
}

// compressedBy has c send p twice and returns what peer gets, unmasked.
func compressedBy(t *testing.T, c *websocket.Conn, peer *wstest.Peer, p []byte) (first, second []byte) {
	t.Helper()
	for _, got := range []*[]byte{&first, &second} {
		sent := make(chan error, 1)
		go func() { sent <- c.Write(t.Context(), websocket.Binary, p) }()
		h, payload, err := peer.Receive()
		if err != nil || h.RSV != frame.RSV1 {
			t.Fatalf("Receive() = %+v, %v, want a compressed message", h, err)
		}
		if err := <-sent; err != nil {
			t.Fatal(err)
		}
		*got = payload
	}
	return first, second
}

// inflateAlone inflates a message that depends on none before it.
func inflateAlone(p []byte) ([]byte, error) {
	tail := []byte{0x00, 0x00, 0xff, 0xff, 0x01, 0x00, 0x00, 0xff, 0xff}
	return io.ReadAll(flate.NewReader(io.MultiReader(bytes.NewReader(p), bytes.NewReader(tail))))
}

// checkSent checks that what c sends keeps to what was agreed.
func checkSent(t *testing.T, what string, c *websocket.Conn, peer *wstest.Peer, takeover, wide bool) {
	t.Helper()
	message := distant()
	first, second := compressedBy(t, c, peer, message)
	if got, err := inflateAlone(first); err != nil || !bytes.Equal(got, message) {
		t.Errorf("%s: first message inflates to %s, %v, want %s", what, short(got), err, short(message))
	}
	if (len(first) < 900) != wide {
		t.Errorf("%s: repetition at distance 600 compresses to %d bytes, want it used = %v", what, len(first), wide)
	}
	if _, err := inflateAlone(second); (err != nil || len(second) < len(first)) != takeover && wide {
		t.Errorf("%s: second message has %d bytes and inflates alone = %v, want takeover = %v", what, len(second), err == nil, takeover)
	}
}

// RFC 7692, section 7.1: the offer, the answer, and what the server then sends.
//
// Checks 7692-3, 7692-15, 7692-16, 7692-17, 7692-18, 7692-23, 7692-31, 6455-143.
// Security 7.
func TestAcceptDeflateAgreement(t *testing.T) { bothWays(t, testAcceptDeflateAgreement) }

func testAcceptDeflateAgreement(t *testing.T, serve serveFunc) {
	s := serve(t, &websocket.AcceptOptions{Compression: &websocket.Compression{}})
	for _, test := range []struct {
		offer, answer  string
		takeover, wide bool
	}{
		{"permessage-deflate", "permessage-deflate", true, true},
		{"permessage-deflate; client_max_window_bits", "permessage-deflate", true, true},
		{
			"permessage-deflate; server_no_context_takeover", "permessage-deflate; server_no_context_takeover",
			false, true,
		},
		{
			"permessage-deflate; server_max_window_bits=9, permessage-deflate", "permessage-deflate; server_max_window_bits=9",
			true, false,
		},
		{
			"permessage-deflate; server_max_window_bits=8; server_no_context_takeover",
			"permessage-deflate; server_no_context_takeover; server_max_window_bits=8",
			false, false,
		},
		{"permessage-deflate; foo, permessage-deflate; server_max_window_bits=16, permessage-deflate", "permessage-deflate", true, true},
		{"permessage-deflate; server_max_window_bits=7", "", false, false},
		{"permessage-deflate; foo", "", false, false},
		{"permessage-deflate; server_no_context_takeover; server_no_context_takeover", "", false, false},
		{"x-foo", "", false, false},
	} {
		resp, conn := s.exchange(t, upgradeRequest("Sec-WebSocket-Extensions: "+test.offer))
		c := s.accepted(t)
		got := resp.Header.Values("Sec-WebSocket-Extensions")
		if len(got) == 0 && test.answer == "" && !c.Compressed() {
			continue
		}
		if len(got) != 1 || got[0] != test.answer || !c.Compressed() {
			t.Errorf("offer %q: answer %q, Compressed() = %v, want %q", test.offer, got, c.Compressed(), test.answer)
			continue
		}
		checkSent(t, test.offer, c, wstest.PeerOn(conn), test.takeover, test.wide)
	}
}

// RFC 7692, section 7.1: what a client sends after each answer.
//
// Checks 7692-1, 7692-26, 7692-28, 7692-36, 6455-143.
// Security 7.
func TestDialDeflateAgreement(t *testing.T) {
	for _, test := range []struct {
		answer         string
		takeover, wide bool
	}{
		{"permessage-deflate", true, true},
		{"permessage-deflate; client_no_context_takeover", false, true},
		{"permessage-deflate; client_max_window_bits=9", true, false},
		{"permessage-deflate; client_max_window_bits=8; client_no_context_takeover", false, false},
		{"permessage-deflate; server_max_window_bits=8; server_no_context_takeover", true, true},
	} {
		s := answering(t, acceptAnswer("Sec-WebSocket-Extensions: "+test.answer))
		c, _, err := websocket.Dial(soon(t), s.url(), &websocket.DialOptions{Compression: &websocket.Compression{}})
		if err != nil {
			t.Fatalf("answer %q: %v", test.answer, err)
		}
		checkSent(t, test.answer, c, wstest.PeerOn(s.conn(t)), test.takeover, test.wide)
		c.CloseNow()
	}
	s := answering(t, acceptAnswer())
	c, resp, err := websocket.Dial(soon(t), s.url(), &websocket.DialOptions{Compression: &websocket.Compression{}})
	if err != nil || c.Compressed() || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("answer without extension: Dial() = %v, want a connection without compression", err)
	}
	defer c.CloseNow()
	go c.Write(t.Context(), websocket.Binary, bytes.Repeat([]byte("a"), 1000))
	peer := wstest.PeerOn(s.conn(t))
	if h, p, err := peer.Receive(); err != nil || h.RSV != 0 || len(p) != 1000 {
		t.Errorf("Receive() = %+v, %d bytes, %v, want no RSV1", h, len(p), err)
	}
	peer.SendFrame(frame.Header{Fin: true, RSV: frame.RSV1, Opcode: frame.Binary}, []byte("x"))
	_, _, err = c.Read(soon(t))
	wantClosed(t, "RSV1 without agreement", err, websocket.CloseProtocolError)
}
