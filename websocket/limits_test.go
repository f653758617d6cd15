package websocket_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15847954/ropewalk/websocket"
	"github.com/seed-15847954/ropewalk/websocket/frame"
	"github.com/seed-15847954/ropewalk/websocket/wstest"
)

// unlimited are params without any bound.
func unlimited(params websocket.Params) websocket.Params {
	params.Limits = websocket.Limits{
		MaxMessageSize: -1, MaxFragments: -1, MaxDecompressionRatio: -1, MaxControlRate: -1, MaxMessageTime: -1,
	}
	return params
}

// limitCases are messages just above a default limit, and the code that they get.
var limitCases = []struct {
	name   string
	params func() websocket.Params
	code   websocket.CloseCode
	send   func(t *testing.T, peer *wstest.Peer, excess int)
}{
	{"size", quiet, websocket.CloseMessageTooBig, func(_ *testing.T, peer *wstest.Peer, excess int) {
		peer.SendFrame(masked(frame.Binary), make([]byte, 1<<20+excess))
	}},
	{"size in fragments", quiet, websocket.CloseMessageTooBig, func(_ *testing.T, peer *wstest.Peer, excess int) {
		h := masked(frame.Binary)
		h.Fin = false
		peer.SendFrame(h, make([]byte, 1<<20-1))
		peer.SendFrame(masked(frame.Continuation), make([]byte, 1+excess))
	}},
	{"size after decompression", deflated, websocket.CloseMessageTooBig, func(t *testing.T, peer *wstest.Peer, excess int) {
		peer.Send(encoded(t, websocket.Client, deflated(), func(c *websocket.Conn) {
			mustWrite(t, c, websocket.Binary, make([]byte, 1<<20+excess))
		}))
	}},
	{"fragments", quiet, websocket.ClosePolicyViolation, func(_ *testing.T, peer *wstest.Peer, excess int) {
		h := masked(frame.Text)
		h.Fin = false
		b := wstest.AppendFrame(nil, h, nil)
		h.Opcode = frame.Continuation
		for range 1<<17 - 2 + excess {
			b = wstest.AppendFrame(b, h, nil)
		}
		peer.Send(wstest.AppendFrame(b, masked(frame.Continuation), nil))
	}},
	{"control frames", quiet, websocket.ClosePolicyViolation, func(_ *testing.T, peer *wstest.Peer, excess int) {
		var b []byte
		for range 10_000 + excess {
			b = wstest.AppendFrame(b, masked(frame.Pong), nil)
		}
		peer.Send(wstest.AppendFrame(b, masked(frame.Text), nil))
	}},
	{"time", quiet, websocket.ClosePolicyViolation, func(_ *testing.T, peer *wstest.Peer, excess int) {
		h := masked(frame.Text)
		h.Fin = false
		peer.SendFrame(h, []byte("slow"))
		<-time.After(5*time.Minute + time.Duration(excess))
		peer.SendFrame(masked(frame.Continuation), nil)
	}},
}

// TestDefaultLimits sends what is just within each limit and what is just beyond
// it, to Read and to Reader.
//
// Checks 6455-134, 6455-148, 6455-149, 7692-45.
// Security 3, 4.
func TestDefaultLimits(t *testing.T) {
	for _, tc := range limitCases {
		for name, read := range map[string]func(c *websocket.Conn) error{"Read": readOne, "Reader": streamAll} {
			t.Run(tc.name+"/"+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					conn, peer := rude(t, websocket.Server, tc.params())
					go tc.send(t, peer, 0)
					if err := read(conn); err != nil {
						t.Errorf("at the limit: error = %v, want nil", err)
					}
				})
				synctest.Test(t, func(t *testing.T) {
					conn, peer := rude(t, websocket.Server, tc.params())
					go tc.send(t, peer, 1)
					wantClosed(t, "beyond the limit", read(conn), tc.code)
					wantCloseFrame(t, peer, tc.code)
				})
				synctest.Test(t, func(t *testing.T) {
					conn, peer := rude(t, websocket.Server, unlimited(tc.params()))
					go tc.send(t, peer, 100)
					if err := read(conn); err != nil {
						t.Errorf("without limits: error = %v, want nil", err)
					}
				})
			})
		}
	}
}

func readOne(c *websocket.Conn) error {
	_, _, err := c.Read(context.Background())
	return err
}

func streamAll(c *websocket.Conn) error {
	_, r, err := c.Reader(context.Background())
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, r)
	return err
}

// TestUnfinishedMessageTime sends the start of a message and then control frames
// alone. The time for the message holds all the same.
//
// Security 4.
func TestUnfinishedMessageTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, peer := rude(t, websocket.Server, quiet())
		h := masked(frame.Text)
		h.Fin = false
		peer.SendFrame(h, []byte("never"))
		go func() {
			for range 100 {
				<-time.After(time.Minute)
				peer.SendFrame(masked(frame.Ping), nil)
			}
		}()
		start := time.Now()
		wantClosed(t, "Read()", readOne(conn), websocket.ClosePolicyViolation)
		if took := time.Since(start); took > 7*time.Minute {
			t.Errorf("the message was given up after %v, want it soon after 5m", took)
		}
		peer.Stream().Close()
		<-time.After(2 * time.Hour) // for the peer to end
	})
}

// TestDecompressionRatio sends 64 MiB that compress to nearly nothing.
//
// Checks 7692-45.
// Security 3.
func TestDecompressionRatio(t *testing.T) {
	bomb := encoded(t, websocket.Client, deflated(), func(c *websocket.Conn) {
		mustWrite(t, c, websocket.Binary, make([]byte, 64<<20))
	})
	for _, tc := range []struct {
		name   string
		limits websocket.Limits
		code   websocket.CloseCode // 0: none
	}{
		{"default", websocket.Limits{}, websocket.CloseMessageTooBig},
		{"large messages", websocket.Limits{MaxMessageSize: -1}, websocket.CloseMessageTooBig},
		{"any ratio", websocket.Limits{MaxMessageSize: -1, MaxDecompressionRatio: -1}, 0},
	} {
		for name, read := range map[string]func(c *websocket.Conn) error{"Read": readOne, "Reader": streamAll} {
			t.Run(tc.name+"/"+name, func(t *testing.T) {
				params := deflated()
				params.Limits = tc.limits
				conn, peer := rude(t, websocket.Server, params)
				go peer.Send(bytes.Clone(bomb))
				before := allocated()
				err := read(conn)
				if tc.code == 0 {
					if err != nil {
						t.Errorf("error = %v, want nil", err)
					}
					return
				}
				wantClosed(t, "bomb", err, tc.code)
				wantCloseFrame(t, peer, tc.code)
				// Growing to the floor of the ratio, 16 MiB, takes a few times as much.
				if used := allocated() - before; used > 128<<20 {
					t.Errorf("%d MiB were allocated for a bomb, want no more than its limits allow", used>>20)
				}
			})
		}
	}
}

// allocated is how many bytes were allocated ever.
func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// TestDeclaredLength has a thousand connections declare a message of 16 GiB, which
// their limit allows, and send a little of it. Memory follows what was sent.
//
// Checks 6455-148.
// Security 2.
func TestDeclaredLength(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := masked(frame.Binary)
		h.Length = 16 << 30
		start := append(frame.AppendHeader(nil, h), "some of it"...)
		const connections = 1000
		conns := make([]*websocket.Conn, connections)
		peers := make([]*wstest.Peer, connections)
		before := inUse()
		for i := range conns {
			conns[i], peers[i] = wstest.NewPeer(websocket.Server, unlimited(quiet()))
			peers[i].Send(start)
			// All that was sent has been read when this one gives up.
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			_, _, err := conns[i].Read(ctx)
			cancel()
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("Read() = %v, want DeadlineExceeded", err)
			}
		}
		if used := inUse() - before; used > 16<<20 {
			t.Errorf("%d MiB are in use for %d connections, want 16 at most", used>>20, connections)
		}
		for i, conn := range conns {
			conn.CloseNow()
			peers[i].Stream().Close()
		}
	})
}

// inUse is how many bytes are in use after a collection.
func inUse() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}
