package websocket_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15847954/ropewalk/websocket"
	"github.com/seed-15847954/ropewalk/websocket/wstest"
)

// session has one side write, stream, ping, read and close, while the other sends
// every message back. It returns what the first failing call of the client said.
func session(client, server *websocket.Conn) error {
	echo := make(chan struct{})
	go func() {
		defer close(echo)
		defer server.CloseNow()
		for {
			typ, p, err := server.Read(context.Background())
			if err != nil || server.Write(context.Background(), typ, p) != nil {
				return
			}
		}
	}()
	err := exchange(client)
	client.CloseNow()
	<-echo
	return err
}

func exchange(c *websocket.Conn) error {
	ctx := context.Background()
	if err := c.Write(ctx, websocket.Text, []byte("a first message, a first message")); err != nil {
		return err
	}
	if _, _, err := c.Read(ctx); err != nil {
		return err
	}
	w, err := c.Writer(ctx, websocket.Text)
	if err != nil {
		return err
	}
	for range 3 {
		if _, err := io.WriteString(w, "strand "); err != nil {
			w.Close()
			return err
		}
	}
	if err := w.Close(); err != nil {
		return err
	}
	_, r, err := c.Reader(ctx)
	if err != nil {
		return err
	}
	if _, err := io.ReadAll(r); err != nil {
		return err
	}
	reading := make(chan error, 1)
	go func() { reading <- readOne(c) }()
	_, err = c.Ping(ctx)
	if err == nil {
		err = c.Close(4001, "done")
	}
	if err != nil {
		c.CloseNow()
	}
	return errors.Join(err, ended(<-reading))
}

// ended returns err unless it is how Read tells of an own Close.
func ended(err error) error {
	var closed *websocket.CloseError
	if errors.As(err, &closed) && closed.Code == 4001 {
		return nil
	}
	return err
}

// TestFaults has every read and every write of each side fail once at every byte.
// Each call says so with a CloseError, none hangs, and no goroutine is left, which
// the bubble would tell.
//
// Checks 6455-122, 6455-128.
func TestFaults(t *testing.T) {
	for name, params := range map[string]websocket.Params{"plain": quiet(), "deflate": deflated()} {
		for _, role := range []websocket.Role{websocket.Client, websocket.Server} {
			for _, op := range []string{"read", "write"} {
				t.Run(fmt.Sprintf("%s/%v/%s", name, role, op), func(t *testing.T) {
					faults := 0
					for at := int64(0); ; at++ {
						hit := false
						synctest.Test(t, func(t *testing.T) { hit = faultySession(t, params, role, op, at) })
						if !hit {
							break
						}
						faults++
					}
					if faults < 50 {
						t.Errorf("%d faults, want one at each byte of the session", faults)
					}
				})
			}
		}
	}
}

// faultySession runs a session whose stream fails at one byte on one side, and
// reports whether it came so far.
func faultySession(t *testing.T, params websocket.Params, role websocket.Role, op string, at int64) (hit bool) {
	a, b := wstest.Streams()
	faulty := &faultWatch{Faulty: wstest.Faulty{Conn: a, ReadFaultAt: -1, WriteFaultAt: -1}}
	if op == "read" {
		faulty.ReadFaultAt = at
	} else {
		faulty.WriteFaultAt = at
	}
	var conns [2]*websocket.Conn
	conns[role] = websocket.NewConn(faulty, role, params)
	conns[1-role] = websocket.NewConn(b, 1-role, params)
	start := time.Now()
	err := session(conns[websocket.Client], conns[websocket.Server])
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("fault at %s byte %d: the session took %v, want 10s at most", op, at, took)
	}
	var closed *websocket.CloseError
	if err != nil && (!errors.As(err, &closed) || !errors.Is(err, net.ErrClosed)) {
		t.Errorf("fault at %s byte %d: error = %v, want a CloseError", op, at, err)
	}
	if !faulty.hit.Load() && err != nil {
		t.Errorf("without a fault: error = %v, want nil", err)
	}
	for _, c := range conns {
		if c.Context().Err() == nil {
			t.Errorf("fault at %s byte %d: the %v has not ended", op, at, c.Role())
		}
	}
	return faulty.hit.Load()
}

// A faultWatch notes whether its fault has come.
type faultWatch struct {
	wstest.Faulty
	hit atomic.Bool
}

func (f *faultWatch) Read(p []byte) (int, error)  { return f.note(f.Faulty.Read(p)) }
func (f *faultWatch) Write(p []byte) (int, error) { return f.note(f.Faulty.Write(p)) }

func (f *faultWatch) note(n int, err error) (int, error) {
	if errors.Is(err, wstest.ErrFault) {
		f.hit.Store(true)
	}
	return n, err
}

// CloseWrite is that of the stream, which Faulty hides.
func (f *faultWatch) CloseWrite() error { return f.Conn.(*wstest.Stream).CloseWrite() }

// TestRefusedWrite has a write fail. The call says so at once; the connection ends
// by itself, with a reader and without.
func TestRefusedWrite(t *testing.T) {
	for _, reads := range []bool{true, false} {
		t.Run(fmt.Sprintf("reads=%v", reads), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := wstest.Streams()
				defer b.Close()
				conn := websocket.NewConn(&wstest.Faulty{Conn: a, ReadFaultAt: -1, WriteFaultAt: 3}, websocket.Server, quiet())
				var read <-chan error
				if reads {
					read = async(readErr(conn))
				}
				err := conn.Write(t.Context(), websocket.Text, []byte("message"))
				if wantClosed(t, "Write()", err, websocket.CloseAbnormal); !errors.Is(err, wstest.ErrFault) {
					t.Errorf("Write() = %v, want the stream's error", err)
				}
				err = conn.Write(t.Context(), websocket.Text, nil)
				wantClosed(t, "second Write()", err, websocket.CloseAbnormal)
				select {
				case <-conn.Context().Done():
				case <-time.After(5 * time.Second):
					t.Error("the connection has not ended in 5s")
				}
				if !errors.Is(context.Cause(conn.Context()), wstest.ErrFault) {
					t.Errorf("Cause() = %v, want the stream's error", context.Cause(conn.Context()))
				}
				if reads {
					wantClosed(t, "Read()", <-read, websocket.CloseAbnormal)
				}
				conn.CloseNow()
			})
		})
	}
}

// TestCloseFrameBehindRefusedWrite has the peer close and go while this side
// writes. The Close frame, which is there to be read, says more than the refusal.
//
// Checks 6455-122.
func TestCloseFrameBehindRefusedWrite(t *testing.T) {
	bothRoles(t, quiet(), func(t *testing.T, conn *websocket.Conn, peer *wstest.Peer) {
		answer(peer, conn.Role(), websocket.CloseGoingAway, "restart")
		peer.Stream().Close()
		err := conn.Write(t.Context(), websocket.Text, []byte("into the void"))
		wantClosed(t, "Write()", err, websocket.CloseAbnormal)
		_, _, err = conn.Read(t.Context())
		if closed := wantClosed(t, "Read()", err, websocket.CloseGoingAway); closed.Reason != "restart" {
			t.Errorf("Read() = %+v, want reason restart", closed)
		}
		wantClosed(t, "Cause()", context.Cause(conn.Context()), websocket.CloseGoingAway)
	})
}
