package websocket_test

import (
	"context"
	"errors"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15847954/ropewalk/websocket"
	"github.com/seed-15847954/ropewalk/websocket/frame"
	"github.com/seed-15847954/ropewalk/websocket/wstest"
)

// alive are params with the given keepalive.
func alive(interval, timeout time.Duration) websocket.Params {
	return websocket.Params{KeepAlive: websocket.KeepAlive{Interval: interval, Timeout: timeout}}
}

// TestKeepAliveSilentPeer checks when a peer is given up that sends nothing.
func TestKeepAliveSilentPeer(t *testing.T) {
	for _, tc := range []struct {
		name              string
		role              websocket.Role
		interval, timeout time.Duration
		want              time.Duration
	}{
		{"server default", websocket.Server, 0, 0, time.Minute},
		{"server", websocket.Server, time.Second, 5 * time.Second, 6 * time.Second},
		{"client", websocket.Client, 2 * time.Second, 3 * time.Second, 5 * time.Second},
		{"client default timeout", websocket.Client, time.Second, 0, 31 * time.Second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conn, peer := rude(t, tc.role, alive(tc.interval, tc.timeout))
				start := time.Now()
				_, _, err := conn.Read(t.Context())
				closed := wantClosed(t, "Read()", err, websocket.CloseAbnormal)
				if !errors.Is(closed, os.ErrDeadlineExceeded) {
					t.Errorf("Read() = %v, want os.ErrDeadlineExceeded", closed)
				}
				if got := time.Since(start); got != tc.want {
					t.Errorf("the peer was given up after %v, want %v", got, tc.want)
				}
				if h, _, err := peer.Receive(); err != nil || h.Opcode != frame.Ping {
					t.Errorf("Receive() = %v, %v, want a ping", h.Opcode, err)
				}
				if h, _, err := peer.Receive(); err == nil {
					t.Errorf("Receive() = %v, want the end", h.Opcode)
				}
			})
		})
	}
}

// TestKeepAliveAnsweringPeer has a peer answer pings for two days, and nothing else.
func TestKeepAliveAnsweringPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := pipe(t, websocket.Params{})
		go client.Read(context.Background())
		ctx, cancel := context.WithTimeout(t.Context(), 48*time.Hour)
		defer cancel()
		if _, _, err := server.Read(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Read() = %v, want DeadlineExceeded", err)
		}
		mustWrite(t, client, websocket.Text, []byte("still here"))
		mustRead(t, server, websocket.Text, []byte("still here"))
	})
}

// TestKeepAliveAnyBytes has a peer answer no ping, but send a byte of a frame now
// and then.
func TestKeepAliveAnyBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, peer := rude(t, websocket.Server, alive(time.Second, 5*time.Second))
		message := wstest.AppendFrame(nil, masked(frame.Text), []byte("slow but there"))
		go func() {
			for _, b := range message {
				<-time.After(5900 * time.Millisecond)
				peer.Send([]byte{b})
			}
		}()
		mustRead(t, conn, websocket.Text, []byte("slow but there"))
	})
}

// TestKeepAlivePings checks that pings come when the connection is silent only.
func TestKeepAlivePings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, peer := rude(t, websocket.Server, alive(10*time.Second, 0))
		go conn.Read(context.Background())
		go func() {
			for range 20 {
				<-time.After(9 * time.Second)
				peer.SendFrame(masked(frame.Pong), nil)
			}
		}()
		start := time.Now()
		if h, _, err := peer.Receive(); err != nil || h.Opcode != frame.Ping {
			t.Fatalf("Receive() = %v, %v, want a ping", h.Opcode, err)
		}
		if got := time.Since(start); got != 190*time.Second {
			t.Errorf("the first ping came after %v, want 10s of silence behind 180s of pongs", got)
		}
	})
}

// TestKeepAliveOff checks what never pings and never gives up.
//
// Checks 6455-127, 6455-132.
func TestKeepAliveOff(t *testing.T) {
	for name, tc := range map[string]struct {
		role   websocket.Role
		params websocket.Params
		pings  int
	}{
		"client by default":    {websocket.Client, websocket.Params{}, 0},
		"server, no interval":  {websocket.Server, alive(-1, 0), 0},
		"server, no timeout":   {websocket.Server, alive(time.Second, -1), 1},
		"client, no timeout":   {websocket.Client, alive(time.Second, -1), 1},
		"client, both are off": {websocket.Client, alive(-1, -1), 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conn, peer := rude(t, tc.role, tc.params)
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				if _, _, err := conn.Read(ctx); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("Read() = %v, want DeadlineExceeded", err)
				}
				mustWrite(t, conn, websocket.Text, []byte("end"))
				pings := 0
				for {
					h, _, err := peer.Receive()
					if err != nil {
						t.Fatal(err)
					}
					if h.Opcode == frame.Text {
						break
					}
					pings++
				}
				if pings > 0 != (tc.pings > 0) {
					t.Errorf("%d pings came, want %d or more", pings, tc.pings)
				}
			})
		})
	}
}

// TestKeepAliveWithoutReader checks that nobody is given up while nobody could
// see a sign of life, and that a reader who comes has the time to see one.
func TestKeepAliveWithoutReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, peer := rude(t, websocket.Server, alive(time.Second, 5*time.Second))
		<-time.After(time.Hour)
		if err := conn.Context().Err(); err != nil {
			t.Fatalf("Context().Err() = %v, want nil", context.Cause(conn.Context()))
		}
		peer.SendFrame(masked(frame.Text), []byte("waited"))
		mustRead(t, conn, websocket.Text, []byte("waited"))
		<-time.After(time.Hour)
		start := time.Now()
		_, _, err := conn.Read(t.Context())
		wantClosed(t, "Read()", err, websocket.CloseAbnormal)
		if got := time.Since(start); got < 5*time.Second || got > 10*time.Second {
			t.Errorf("the peer was given up after %v of reading, want its timeout of 5s and at most as much again", got)
		}
	})
}

// TestKeepAlivePollingReader reads with contexts shorter than the timeout. Their
// time adds up.
func TestKeepAlivePollingReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, _ := rude(t, websocket.Server, alive(time.Second, 5*time.Second))
		start := time.Now()
		for {
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			_, _, err := conn.Read(ctx)
			cancel()
			if !errors.Is(err, context.DeadlineExceeded) {
				wantClosed(t, "Read()", err, websocket.CloseAbnormal)
				break
			}
			if time.Since(start) > time.Minute {
				t.Fatal("the peer was not given up in a minute")
			}
		}
	})
}

// TestKeepAliveReaderLeavesLate has the reader leave a nanosecond before the peer
// would be given up, for an hour. Nothing may happen in that hour, not even a
// thousand looks at the clock.
func TestKeepAliveReaderLeavesLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, _ := rude(t, websocket.Server, alive(time.Second, 5*time.Second))
		ctx, cancel := context.WithTimeout(t.Context(), 6*time.Second-1)
		defer cancel()
		if _, _, err := conn.Read(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Read() = %v, want DeadlineExceeded", err)
		}
		<-time.After(time.Hour)
		if err := conn.Context().Err(); err != nil {
			t.Errorf("Context().Err() = %v, want nil", context.Cause(conn.Context()))
		}
	})
}

// TestKeepAlivePeerDoesNotRead checks that a stuck write does not keep a dead peer.
func TestKeepAlivePeerDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, _ := rude(t, websocket.Server, alive(time.Second, 5*time.Second))
		wrote := async(func() error { return conn.Write(context.Background(), websocket.Binary, noise(1, 500_000)) })
		_, _, err := conn.Read(t.Context())
		wantClosed(t, "Read()", err, websocket.CloseAbnormal)
		wantClosed(t, "Write()", <-wrote, websocket.CloseAbnormal)
	})
}

// TestKeepAliveIntervalShorterThanTimeout checks that a Ping is due Interval after
// the last sign of life, however long Timeout is.
func TestKeepAliveIntervalShorterThanTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.Streams()
		pings := 0
		client := websocket.NewConn(a, websocket.Client, websocket.Params{OnPing: func([]byte) { pings++ }})
		server := websocket.NewConn(b, websocket.Server, websocket.Params{
			KeepAlive: websocket.KeepAlive{Interval: time.Second}, // Timeout: 30 s
		})
		go client.Read(t.Context())
		go server.Read(t.Context())
		<-time.After(10500 * time.Millisecond)
		synctest.Wait()
		if pings != 10 {
			t.Errorf("pings in 10.5 s at an interval of 1 s = %d, want 10", pings)
		}
		client.CloseNow()
		server.CloseNow()
	})
}
