package wstest_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"

	"github.com/seed-15847954/ropewalk/websocket"
	"github.com/seed-15847954/ropewalk/websocket/frame"
	"github.com/seed-15847954/ropewalk/websocket/wstest"
)

// TestPeer exchanges frames with a connection of each role.
func TestPeer(t *testing.T) {
	for _, role := range []websocket.Role{websocket.Client, websocket.Server} {
		synctest.Test(t, func(t *testing.T) {
			conn, peer := wstest.NewPeer(role, websocket.Params{})
			defer conn.CloseNow()
			defer peer.Stream().Close()
			go conn.Write(t.Context(), websocket.Text, []byte("to the peer"))
			h, p, err := peer.Receive()
			if err != nil || string(p) != "to the peer" || h.Opcode != frame.Text || h.Masked != (role == websocket.Client) {
				t.Errorf("Receive() = %+v %q, %v, want the message", h, p, err)
			}
			h = frame.Header{Fin: true, Opcode: frame.Binary, Masked: role == websocket.Server, Key: 0x12345678}
			if err := peer.SendFrame(h, []byte("from the peer")); err != nil {
				t.Errorf("SendFrame() = %v, want nil", err)
			}
			if typ, p, err := conn.Read(t.Context()); typ != websocket.Binary || string(p) != "from the peer" || err != nil {
				t.Errorf("Read() = %v, %q, %v, want what the peer has sent", typ, p, err)
			}
		})
	}
}

// TestPeerEnds checks the errors of Receive.
func TestPeerEnds(t *testing.T) {
	whole := wstest.AppendFrame(nil, frame.Header{Fin: true, Opcode: frame.Text}, []byte("rope"))
	for cut := range len(whole) + 1 {
		a, b := wstest.Streams()
		peer := wstest.PeerOn(b)
		a.Write(whole[:cut])
		a.Close()
		_, p, err := peer.Receive()
		want := io.ErrUnexpectedEOF
		switch cut {
		case 0:
			want = io.EOF
		case len(whole):
			want = nil
		}
		if err != want || err == nil && string(p) != "rope" {
			t.Errorf("Receive() of %d bytes = %q, %v, want %v", cut, p, err, want)
		}
		b.Close()
	}
	a, b := wstest.Streams()
	defer a.Close()
	defer b.Close()
	a.Write(frame.AppendHeader(nil, frame.Header{Fin: true, Opcode: frame.Text, Length: 16 << 20}))
	if _, _, err := wstest.PeerOn(b).Receive(); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("Receive() of 16 MiB = %v, want an error", err)
	}
}

// TestPipe sends a message each way.
func TestPipe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := wstest.Pipe(websocket.Params{Subprotocol: "rope"})
		defer client.CloseNow()
		defer server.CloseNow()
		if client.Role() != websocket.Client || server.Role() != websocket.Server || server.Subprotocol() != "rope" {
			t.Errorf("Pipe() = %v, %v, subprotocol %q, want client, server, rope", client.Role(), server.Role(), server.Subprotocol())
		}
		for _, way := range [][2]*websocket.Conn{{client, server}, {server, client}} {
			if err := way[0].Write(context.Background(), websocket.Text, []byte("hello")); err != nil {
				t.Errorf("Write() = %v, want nil", err)
			}
			if _, p, err := way[1].Read(context.Background()); string(p) != "hello" || err != nil {
				t.Errorf("Read() = %q, %v, want hello", p, err)
			}
		}
	})
}
