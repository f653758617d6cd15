package websocket_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15847954/ropewalk/websocket"
	"github.com/seed-15847954/ropewalk/websocket/frame"
	"github.com/seed-15847954/ropewalk/websocket/wstest"
)

// TestCloseUnanswered has the peer do anything but answer.
func TestCloseUnanswered(t *testing.T) {
	for _, tc := range []struct {
		name  string
		peer  func(peer *wstest.Peer, role websocket.Role)
		cause error
		code  websocket.CloseCode
		limit time.Duration
	}{
		{
			name:  "silence",
			peer:  func(*wstest.Peer, websocket.Role) {},
			cause: os.ErrDeadlineExceeded, code: websocket.CloseAbnormal, limit: 3 * time.Second,
		},
		{
			name: "messages",
			peer: func(peer *wstest.Peer, role websocket.Role) {
				for peer.SendFrame(to(role, frame.Text), []byte("more")) == nil {
					<-time.After(time.Second / 10)
				}
			},
			cause: os.ErrDeadlineExceeded, code: websocket.CloseAbnormal, limit: 3 * time.Second,
		},
		{
			name:  "end",
			peer:  func(peer *wstest.Peer, _ websocket.Role) { peer.Stream().(*wstest.Stream).CloseWrite() },
			cause: io.ErrUnexpectedEOF, code: websocket.CloseAbnormal,
		},
		{
			name:  "violation",
			peer:  func(peer *wstest.Peer, _ websocket.Role) { peer.Send([]byte{0xFF, 0xFF}) },
			cause: net.ErrClosed, code: websocket.CloseProtocolError, limit: time.Second,
		},
	} {
		params := quiet()
		params.CloseTimeout = 3 * time.Second
		t.Run(tc.name, func(t *testing.T) {
			bothRoles(t, params, func(t *testing.T, conn *websocket.Conn, peer *wstest.Peer) {
				start := time.Now()
				done := async(func() error { return conn.Close(4001, "") })
				var acts sync.WaitGroup
				defer acts.Wait()
				acts.Go(func() { tc.peer(peer, conn.Role()) })
				err := <-done
				wantClosed(t, "Close()", err, tc.code)
				if !errors.Is(err, tc.cause) {
					t.Errorf("Close() = %v, want the cause %v", err, tc.cause)
				}
				if took := time.Since(start); took > tc.limit {
					t.Errorf("Close() took %v, want at most %v", took, tc.limit)
				}
				wantClosed(t, "Cause()", context.Cause(conn.Context()), 4001)
			})
		})
	}
}

// TestClosePeerDoesNotRead closes when no more bytes can be sent.
func TestClosePeerDoesNotRead(t *testing.T) {
	bothRoles(t, quiet(), func(t *testing.T, conn *websocket.Conn, _ *wstest.Peer) {
		wrote := async(func() error { return conn.Write(context.Background(), websocket.Binary, noise(1, 500_000)) })
		synctest.Wait()
		start := time.Now()
		err := conn.Close(websocket.CloseNormal, "")
		if wantClosed(t, "Close()", err, websocket.CloseAbnormal); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Close() = %v, want DeadlineExceeded", err)
		}
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("Close() took %v, want 5s", took)
		}
		wantClosed(t, "Write()", <-wrote, websocket.CloseNormal)
	})
}

// TestReadCloseFromPeerThatDoesNotRead checks that Read's context holds also when
// a Close frame came that cannot be answered.
func TestReadCloseFromPeerThatDoesNotRead(t *testing.T) {
	bothRoles(t, quiet(), func(t *testing.T, conn *websocket.Conn, peer *wstest.Peer) {
		wrote := async(func() error { return conn.Write(context.Background(), websocket.Binary, noise(1, 500_000)) })
		synctest.Wait()
		answer(peer, conn.Role(), 4001, "")
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, _, err := conn.Read(ctx)
		wantClosed(t, "Read()", err, 4001)
		if took := time.Since(start); took > time.Second {
			t.Errorf("Read() took %v, want its context's 1s", took)
		}
		wantClosed(t, "Write()", <-wrote, 4001)
	})
}

// TestCloseNowEndsCalls has every kind of call wait, and then calls CloseNow.
func TestCloseNowEndsCalls(t *testing.T) {
	for _, n := range networks {
		t.Run(n.name, func(t *testing.T) {
			checkLeaks(t)
			client, server := n.conns(t, quiet())
			w, err := server.Writer(t.Context(), websocket.Text)
			if err != nil {
				t.Fatal(err)
			}
			io.WriteString(w, "half")
			_, r, err := client.Reader(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			calls := map[string]<-chan error{
				"Reader": async(func() error {
					_, err := io.ReadAll(r)
					return err
				}),
				"Read":  async(readErr(client)),
				"Write": async(func() error { return client.Write(context.Background(), websocket.Binary, make([]byte, 32<<20)) }),
				"Writer": async(func() error {
					w, err := client.Writer(context.Background(), websocket.Binary)
					if err == nil {
						_, err = w.Write(make([]byte, 32<<20))
					}
					return err
				}),
				"Ping": async(func() error {
					_, err := client.Ping(context.Background())
					return err
				}),
			}
			client.CloseNow()
			for name, err := range calls {
				closed := wantClosed(t, name, <-err, websocket.CloseAbnormal)
				if closed.Remote {
					t.Errorf("%s = %+v, want it closed by us", name, closed)
				}
			}
			wantClosed(t, "Close()", client.Close(websocket.CloseNormal, ""), websocket.CloseAbnormal)
		})
	}
}

// TestCloseNowDuringClose gives up a closing handshake.
func TestCloseNowDuringClose(t *testing.T) {
	bothRoles(t, quiet(), func(t *testing.T, conn *websocket.Conn, _ *wstest.Peer) {
		start := time.Now()
		done := async(func() error { return conn.Close(4001, "") })
		synctest.Wait()
		conn.CloseNow()
		wantClosed(t, "Cause()", context.Cause(conn.Context()), 4001)
		if err := <-done; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Close() = %v, want net.ErrClosed", err)
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("Close() took %v, want 0", took)
		}
	})
}

// TestEndingFromManySides has everything happen at once to a connection that is
// ended by Close and CloseNow, several times each.
func TestEndingFromManySides(t *testing.T) {
	for _, params := range []websocket.Params{quiet(), deflated()} {
		synctest.Test(t, func(t *testing.T) {
			for range 20 {
				client, server := wstest.Pipe(params)
				var calls sync.WaitGroup
				for _, c := range []*websocket.Conn{client, server} {
					calls.Go(func() { readErr(c)() })
					calls.Go(func() { streamAll(c) })
					calls.Go(func() {
						for streamOne(context.Background(), c) == nil {
						}
					})
					calls.Go(func() {
						for c.Write(context.Background(), websocket.Text, []byte("text")) == nil {
						}
					})
					calls.Go(func() {
						for {
							if _, err := c.Ping(context.Background()); err != nil {
								return
							}
						}
					})
					for range 3 {
						calls.Go(func() { closer(c)() })
						calls.Go(func() { c.CloseNow() })
					}
					c.CloseRead()
				}
				calls.Wait()
				for _, c := range []*websocket.Conn{client, server} {
					var closed *websocket.CloseError
					if !errors.As(context.Cause(c.Context()), &closed) {
						t.Errorf("Cause() = %v, want a CloseError", context.Cause(c.Context()))
					}
					if err := readOne(c); !errors.Is(err, error(closed)) {
						t.Errorf("Read() = %v, want %v", err, closed)
					}
				}
			}
		})
	}
}
