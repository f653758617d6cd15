package websocket_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15847954/ropewalk/websocket"
	"github.com/seed-15847954/ropewalk/websocket/frame"
	"github.com/seed-15847954/ropewalk/websocket/wstest"
)

// masked returns the header of a whole frame to a server.
func masked(op frame.Opcode) frame.Header {
	return frame.Header{Fin: true, Opcode: op, Masked: true, Key: 0x5EED1584}
}

// TestPing measures the round trip to a peer that takes three seconds.
func TestPing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, peer := rude(t, websocket.Server, quiet())
		go conn.Read(t.Context())
		go func() {
			for {
				h, p, err := peer.Receive()
				if err != nil {
					return
				}
				if h.Opcode == frame.Ping {
					<-time.After(3 * time.Second)
					peer.SendFrame(masked(frame.Pong), p)
				}
			}
		}()
		for range 3 {
			if rtt, err := conn.Ping(t.Context()); rtt != 3*time.Second || err != nil {
				t.Errorf("Ping() = %v, %v, want 3s, nil", rtt, err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := conn.Ping(ctx); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, net.ErrClosed) {
			t.Errorf("Ping() of a slow peer = %v, want DeadlineExceeded", err)
		}
		if rtt, err := conn.Ping(t.Context()); err != nil || rtt < 3*time.Second {
			t.Errorf("Ping() after one that was given up = %v, %v, want at least 3s", rtt, err)
		}
	})
}

// TestPingLatestPong has a peer answer the last of many pings alone.
//
// Checks 6455-109.
func TestPingLatestPong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, peer := rude(t, websocket.Server, quiet())
		go conn.Read(t.Context())
		const pings = 50
		var wg sync.WaitGroup
		for range pings {
			wg.Go(func() {
				if _, err := conn.Ping(t.Context()); err != nil {
					t.Errorf("Ping() = %v, want nil", err)
				}
			})
		}
		var latest []byte
		for range pings {
			_, p, err := peer.Receive()
			if err != nil {
				t.Fatal(err)
			}
			if slices.Compare(p, latest) > 0 {
				latest = p
			}
		}
		peer.SendFrame(masked(frame.Pong), latest)
		wg.Wait()
	})
}

// TestUnaskedPongs sends pongs that answer nothing, also in the middle of a
// message. They are ignored, and a Ping still waits for its own.
//
// Checks 6455-86, 6455-110.
func TestUnaskedPongs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, peer := rude(t, websocket.Server, quiet())
		messages := make(chan string)
		go func() {
			_, p, _ := conn.Read(t.Context())
			messages <- string(p)
			conn.Read(t.Context())
		}()
		pinged := make(chan error, 1)
		go func() {
			_, err := conn.Ping(t.Context())
			pinged <- err
		}()
		_, id, err := peer.Receive()
		if err != nil {
			t.Fatal(err)
		}
		h := masked(frame.Text)
		h.Fin = false
		peer.SendFrame(h, []byte("mess"))
		for _, p := range [][]byte{
			nil, {1}, id[:7], append(bytes.Clone(id), 0), binary.BigEndian.AppendUint64(nil, 1<<63), bytes.Repeat(id, 15),
		} {
			peer.SendFrame(masked(frame.Pong), p)
		}
		for range 5000 {
			peer.SendFrame(masked(frame.Pong), []byte("flood"))
		}
		synctest.Wait()
		select {
		case err := <-pinged:
			t.Errorf("Ping() = %v before its Pong came", err)
		default:
		}
		peer.SendFrame(masked(frame.Continuation), []byte("age"))
		if got := <-messages; got != "message" {
			t.Errorf("Read() = %q, want message", got)
		}
		peer.SendFrame(masked(frame.Pong), id)
		if err := <-pinged; err != nil {
			t.Errorf("Ping() = %v, want nil", err)
		}
		mustWrite(t, conn, websocket.Text, []byte("next"))
		wantFrames(t, peer, `text fin=true rsv=0x0 "next"`)
	})
}

// TestPongPayloads checks that a Pong repeats what its Ping had.
//
// Checks 6455-105, 6455-108.
func TestPongPayloads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, peer := rude(t, websocket.Server, quiet())
		go conn.Read(t.Context())
		for _, want := range [][]byte{nil, {0}, []byte("ping"), {0xFF, 0xC0}, noise(1, 125)} {
			peer.SendFrame(masked(frame.Ping), want)
			h, got, err := peer.Receive()
			if err != nil || h.Opcode != frame.Pong || !h.Fin || !bytes.Equal(got, want) {
				t.Errorf("answer to ping %q = %v %q, %v, want a pong of the same", want, h.Opcode, got, err)
			}
		}
	})
}

// TestPingsWhileWriteIsBlocked sends pings and messages to a connection whose own
// write is stuck, for the peer does not read. The messages are delivered; once the
// peer reads it finds the stuck message, and pongs, the last of them for the last
// ping. They do not pile up.
//
// Checks 6455-105, 6455-106, 6455-109.
func TestPingsWhileWriteIsBlocked(t *testing.T) {
	for _, n := range networks {
		t.Run(n.name, func(t *testing.T) {
			checkLeaks(t)
			a, b := n.pair(t)
			conn := n.conn(b, websocket.Server, quiet())
			defer conn.CloseNow()
			wrote := make(chan error, 1)
			go func() { wrote <- conn.Write(soon(t), websocket.Binary, make([]byte, 12<<20)) }()
			peer := wstest.PeerOn(begun(t, a))
			const pings = 1000
			for i := range pings {
				peer.SendFrame(masked(frame.Ping), fmt.Append(nil, i))
				peer.SendFrame(masked(frame.Text), fmt.Append(nil, i))
				mustRead(t, conn, websocket.Text, fmt.Append(nil, i))
			}
			h, _, err := peer.Receive()
			if err != nil || h.Opcode != frame.Binary {
				t.Fatalf("Receive() = %v, %v, want the message", h.Opcode, err)
			}
			pongs := 0
			for last := -1; last != pings-1; pongs++ {
				h, p, err := peer.Receive()
				number, notNumber := strconv.Atoi(string(p))
				if err != nil || h.Opcode != frame.Pong || notNumber != nil || number <= last {
					t.Fatalf("Receive() = %v %q, %v, want the pong of a ping behind %d", h.Opcode, p, err, last)
				}
				last = number
			}
			if err := <-wrote; err != nil {
				t.Errorf("Write() = %v, want nil", err)
			}
			mustWrite(t, conn, websocket.Text, []byte("end"))
			wantFrames(t, peer, `text fin=true rsv=0x0 "end"`)
			if pongs > 100 {
				t.Errorf("%d pongs came, want those of the last pings", pongs)
			}
		})
	}
}

// begun waits for the first byte that comes from stream, and returns a stream that
// has it still.
func begun(t *testing.T, stream net.Conn) net.Conn {
	t.Helper()
	first := make([]byte, 1)
	if _, err := io.ReadFull(stream, first); err != nil {
		t.Fatal(err)
	}
	return prefixed{stream, io.MultiReader(bytes.NewReader(first), stream)}
}

type prefixed struct {
	net.Conn
	r io.Reader
}

func (p prefixed) Read(b []byte) (int, error) { return p.r.Read(b) }

// TestPingsWithoutReading floods a connection that has nothing to write. It stops
// answering when the way back is full, and goes on reading.
func TestPingsWithoutReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, peer := rude(t, websocket.Server, quiet())
		go func() {
			for range 5000 {
				peer.SendFrame(masked(frame.Ping), noise(1, 125))
			}
			peer.SendFrame(masked(frame.Ping), []byte("last"))
			peer.SendFrame(masked(frame.Text), []byte("message"))
		}()
		mustRead(t, conn, websocket.Text, []byte("message"))
		for pongs := 1; ; pongs++ {
			_, p, err := peer.Receive()
			if err != nil {
				t.Fatalf("Receive() = %v after %d pongs, want that of the last ping", err, pongs)
			}
			if string(p) == "last" {
				if pongs > 1200 {
					t.Errorf("%d pongs came, want what the stream holds and a few", pongs)
				}
				return
			}
		}
	})
}

// TestNoPongAfterClose pings behind a Close frame.
//
// Checks 6455-107.
func TestNoPongAfterClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, peer := rude(t, websocket.Server, quiet())
		go conn.Read(context.Background())
		peer.SendFrame(masked(frame.Close), []byte{3, 0xE8})
		synctest.Wait()
		peer.SendFrame(masked(frame.Ping), []byte("late"))
		wantCloseFrame(t, peer, websocket.CloseNormal)
		if h, _, err := peer.Receive(); err == nil {
			t.Errorf("%v frame behind Close, want none", h.Opcode)
		}
	})
}
