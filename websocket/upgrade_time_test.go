package websocket_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15847954/ropewalk/websocket"
	"github.com/seed-15847954/ropewalk/websocket/frame"
	"github.com/seed-15847954/ropewalk/websocket/wstest"
)

// HandshakeTimeout bounds all of the request, however many bytes come meanwhile.
//
// Security 5, 26.
func TestUpgradeSlowRequest(t *testing.T) {
	for name, opts := range map[string]*websocket.AcceptOptions{"default": nil, "own": {HandshakeTimeout: 3 * time.Second}} {
		synctest.Test(t, func(t *testing.T) {
			start, want := time.Now(), 10*time.Second
			if opts != nil {
				want = opts.HandshakeTimeout
			}
			server, client := wstest.Streams()
			done := upgrading(t.Context(), server, opts)
			var sending sync.WaitGroup
			sending.Go(func() {
				for _, b := range upgradeRequest() {
					if _, err := client.Write([]byte{b}); err != nil {
						return
					}
					<-time.After(time.Second)
				}
			})
			resp, _, err := readAnswer(client)
			if err != nil || resp.StatusCode != http.StatusRequestTimeout || time.Since(start) != want {
				t.Errorf("%s: answer %v, %v after %v, want 408 after %v", name, resp, err, time.Since(start), want)
			}
			client.Close()
			u := <-done
			var e *websocket.HandshakeError
			if !errors.As(u.err, &e) || e.Status != http.StatusRequestTimeout || !errors.Is(u.err, os.ErrDeadlineExceeded) {
				t.Errorf("%s: Upgrade() = %v, want a *HandshakeError with 408", name, u.err)
			}
			sending.Wait()
		})
	}
}

// A negative HandshakeTimeout waits for ever.
func TestUpgradeNoTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, client := wstest.Streams()
		done := upgrading(t.Context(), server, &websocket.AcceptOptions{HandshakeTimeout: -1})
		<-time.After(24 * time.Hour)
		client.Write(upgradeRequest())
		u := <-done
		if u.err != nil {
			t.Fatal(u.err)
		}
		u.conn.CloseNow()
	})
}

// A client that neither reads its refusal nor closes does not hold the server up.
//
// Security 5, 26.
func TestUpgradeUnreadRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		pipe, other := net.Pipe()
		defer other.Close()
		go other.Write(upgradeRequest("-Upgrade"))
		u := <-upgrading(t.Context(), pipe, nil)
		if u.err == nil || time.Since(start) != 10*time.Second {
			t.Errorf("nobody reads: Upgrade() = %v after %v, want a refusal after 10s", u.err, time.Since(start))
		}
		server, client := wstest.Streams()
		start = time.Now()
		done := upgrading(t.Context(), server, nil)
		client.Write(upgradeRequest("-Upgrade"))
		if resp, _, err := readAnswer(client); err != nil || resp.StatusCode != http.StatusUpgradeRequired || time.Since(start) != 0 {
			t.Errorf("answer %v, %v after %v, want 426 at once", resp, err, time.Since(start))
		}
		if u := <-done; u.err == nil || time.Since(start) > time.Second {
			t.Errorf("nobody closes: Upgrade() = %v after %v, want a refusal within a second", u.err, time.Since(start))
		}
		if n, err := client.Write([]byte("x")); err == nil {
			t.Errorf("Write() = %d, nil to a connection that was refused, want an error", n)
		}
	})
}

// A refusal reaches a client that goes on sending: the socket is not reset before
// the client has read.
func TestUpgradeRefusalReachesSender(t *testing.T) {
	s := serveUpgrade(t, nil)
	for range 20 {
		conn := s.dialRaw(t)
		if _, err := conn.Write(append(upgradeRequest("-Upgrade"), make([]byte, 100<<10)...)); err != nil {
			t.Fatal(err)
		}
		if resp, _, err := readAnswer(conn); err != nil || resp.StatusCode != http.StatusUpgradeRequired {
			t.Fatalf("answer %v, %v, want 426", resp, err)
		}
		conn.Close()
		s.refused(t)
	}
}

// When ctx ends, so does the handshake, wherever it is; afterwards ctx means nothing
// to the connection.
func TestUpgradeContext(t *testing.T) {
	hook := func(r *http.Request, _ http.Header) error {
		<-r.Context().Done()
		return r.Context().Err()
	}
	for name, test := range map[string]struct {
		opts    *websocket.AcceptOptions
		request []byte
	}{
		"nothing came":    {nil, nil},
		"half of it came": {nil, upgradeRequest()[:40]},
		"hook":            {&websocket.AcceptOptions{BeforeUpgrade: hook}, upgradeRequest()},
		"drain":           {nil, upgradeRequest("-Upgrade")},
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			server, client := wstest.Streams()
			done := upgrading(ctx, server, test.opts)
			client.Write(test.request)
			synctest.Wait()
			start := time.Now()
			cancel()
			if u := <-done; u.conn != nil || !errors.Is(u.err, context.Canceled) || time.Since(start) != 0 {
				t.Errorf("%s: Upgrade() = %v after %v, want context.Canceled at once", name, u.err, time.Since(start))
			}
			if _, err := io.ReadAll(client); err != nil {
				t.Errorf("%s: %v, want a connection that was closed", name, err)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	server, _ := wstest.Streams()
	if _, _, err := websocket.Upgrade(ctx, server, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("Upgrade() = %v with a context that has ended, want context.Canceled", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	server, client := wstest.Streams()
	done := upgrading(ctx, server, nil)
	client.Write(upgradeRequest())
	u := <-done
	if u.err != nil {
		t.Fatal(u.err)
	}
	defer u.conn.CloseNow()
	readAnswer(client)
	cancel()
	wstest.PeerOn(client).SendFrame(frame.Header{Fin: true, Opcode: frame.Text, Masked: true}, []byte("late"))
	mustRead(t, u.conn, websocket.Text, []byte("late"))
	if u.conn.Context().Err() != nil {
		t.Error("the connection's context ended with that of Upgrade")
	}
}

// A hook that takes too long gets its context ended, and the client 503.
//
// Security 5.
func TestUpgradeHookTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		server, client := wstest.Streams()
		done := upgrading(t.Context(), server, &websocket.AcceptOptions{
			HandshakeTimeout: 3 * time.Second,
			BeforeUpgrade: func(r *http.Request, _ http.Header) error {
				<-r.Context().Done()
				return nil
			},
		})
		client.Write(upgradeRequest())
		if resp, _, err := readAnswer(client); err != nil || resp.StatusCode != http.StatusServiceUnavailable || time.Since(start) != 3*time.Second {
			t.Errorf("answer %v, %v after %v, want 503 after 3s", resp, err, time.Since(start))
		}
		client.Close()
		if u := <-done; !errors.Is(u.err, context.DeadlineExceeded) {
			t.Errorf("Upgrade() = %v, want context.DeadlineExceeded", u.err)
		}
	})
}

// Clients that leave before the request is whole get no answer.
func TestUpgradeCutShort(t *testing.T) {
	request := upgradeRequest()
	for cut := range request {
		server, client := wstest.Streams()
		client.Write(request[:cut])
		client.CloseWrite()
		_, _, err := websocket.Upgrade(t.Context(), server, nil)
		want := io.ErrUnexpectedEOF
		if cut == 0 {
			want = io.EOF
		}
		if !errors.Is(err, want) {
			t.Errorf("cut at %d: Upgrade() = %v, want %v", cut, err, want)
		}
		if b, err := io.ReadAll(client); len(b) > 0 || err != nil {
			t.Errorf("cut at %d: answer %q, %v, want none", cut, b, err)
		}
	}
}

// Every read and every write fails once at each byte.
func TestUpgradeFaults(t *testing.T) {
	request := upgradeRequest()
	for at := range int64(len(request) + 200) {
		for _, fault := range [][2]int64{{at, -1}, {-1, at}} {
			server, client := wstest.Streams()
			client.Write(request)
			faulty := &wstest.Faulty{Conn: server, ReadFaultAt: fault[0], WriteFaultAt: fault[1]}
			c, _, err := websocket.Upgrade(t.Context(), faulty, nil)
			if err == nil {
				c.CloseNow()
			} else if !errors.Is(err, wstest.ErrFault) {
				t.Errorf("fault at %d: Upgrade() = %v, want the fault", at, err)
			}
			if _, err := client.Write([]byte("x")); err == nil {
				t.Errorf("fault at %d: the connection is still open", at)
			}
		}
	}
}
