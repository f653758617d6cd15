package server

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15847954/ropewalk/websocket"
)

// A clean end: every client gets the push and the Close frame, Serve returns nil,
// and nobody can come in any more.
func TestDrain(t *testing.T) {
	srv, err := New(Config{Listen: "127.0.0.1:0"}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ln, err := srv.Listen()
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ctx, ln) }()
	s := &site{Server: srv, addr: ln.Addr().String(), t: t}
	var peers []peer
	for range 20 {
		peers = append(peers, s.connect())
	}
	stop()
	for _, p := range peers {
		if m := p.receive(); m.Disconnect == nil || m.Disconnect.Code != 1001 || !m.Disconnect.Retry {
			t.Errorf("got %+v, want a disconnect with 1001 and retry", m)
		}
		var closed *websocket.CloseError
		if _, _, err := p.Read(t.Context()); !errors.As(err, &closed) || closed.Code != websocket.CloseGoingAway || !closed.Remote {
			t.Errorf("Read = %v, want close 1001 by the server", err)
		}
	}
	if err := <-served; err != nil {
		t.Errorf("Serve = %v, want nil", err)
	}
	if conn, err := net.Dial("tcp", s.addr); err == nil {
		conn.Close()
		t.Error("the server still accepts connections")
	}
}

const handshake = "GET /connection/websocket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

// connectCommand is {"id":1,"connect":{}} in a frame whose mask is zero.
const connectCommand = "\x81\x95\x00\x00\x00\x00" + `{"id":1,"connect":{}}`

// The end does not take longer than it may, whatever a peer does. Time is that of
// the bubble.
func TestDrainIsBounded(t *testing.T) {
	const request = "POST /api/publish HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{"
	for _, c := range []struct {
		name    string
		sends   string
		reads   bool
		timeout time.Duration
		want    time.Duration // the longest
	}{
		{"answers no Close frame", handshake + connectCommand, true, 3 * time.Second, 3 * time.Second},
		{"has said nothing yet", handshake, true, 3 * time.Second, 3 * time.Second},
		{"reads nothing", handshake + connectCommand, false, 3 * time.Second, 3 * time.Second},
		{"answers no Close frame in a long time", handshake + connectCommand, true, time.Hour, 10 * time.Second},
		{"is in the middle of a request", request, true, 3 * time.Second, 3 * time.Second},
		{"is in the middle of a header", "GET /", true, 3 * time.Second, 3 * time.Second},
		{"is in the middle of a request for long", request, true, time.Hour, readTime + time.Second},
		{"is idle", "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n", true, time.Hour, time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := startBubble(t, Config{DrainTimeout: c.timeout})
				conn := b.dial()
				if _, err := io.WriteString(conn, c.sends); err != nil {
					t.Fatal(err)
				}
				if c.reads {
					go io.Copy(io.Discard, conn)
				}
				synctest.Wait()
				begin := time.Now()
				b.stop()
				if err := <-b.served; err != nil {
					t.Errorf("Serve = %v, want nil", err)
				}
				if took := time.Since(begin); took > c.want {
					t.Errorf("the end took %v, want at most %v", took, c.want)
				}
				conn.Close()
				synctest.Wait()
			})
		})
	}
}

// A request that has begun is answered before the end.
func TestDrainFinishesRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := startBubble(t, Config{})
		conn := b.dial()
		head, tail, _ := strings.Cut(publishBody, ",")
		if _, err := io.WriteString(conn, "POST /api/publish HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"+
			"Content-Length: 27\r\n\r\n"+head); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		b.stop()
		synctest.Wait()
		if _, err := io.WriteString(conn, ","+tail); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Errorf("the answer during the end = %v, %v, want 200", resp, err)
		}
		if err := <-b.served; err != nil {
			t.Errorf("Serve = %v, want nil", err)
		}
		conn.Close()
	})
}

// A listener that fails is an error, and the clients are told all the same.
func TestListenerFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := startBubble(t, Config{})
		conn, _, err := websocket.Dial(t.Context(), "ws://localhost/connection/websocket", &websocket.DialOptions{
			NetDialContext: func(context.Context, string, string) (net.Conn, error) { return b.dial(), nil },
			Proxy:          websocket.NoProxy,
		})
		if err != nil {
			t.Fatal(err)
		}
		p := peer{conn, t}
		p.send(`{"id":1,"connect":{}}`)
		p.receive()
		b.lobby.Close()
		if m := p.receive(); m.Disconnect == nil || m.Disconnect.Code != 1001 {
			t.Errorf("got %+v, want a disconnect with 1001", m)
		}
		if _, _, err := conn.Read(t.Context()); err == nil {
			t.Error("the connection goes on")
		}
		if err := <-b.served; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Serve = %v, want the error of the listener", err)
		}
		b.stop()
		conn.CloseNow()
		synctest.Wait()
	})
}

// A port in use is said in one line.
func TestListenFails(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	srv, err := New(Config{Listen: ln.Addr().String()}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := srv.Listen(); err == nil || !strings.Contains(err.Error(), ln.Addr().String()) || strings.Contains(err.Error(), "\n") {
		t.Errorf("Listen = %v, want one line with the address", err)
	}
}

// What New is given is checked as what Load reads is.
func TestNewRefuses(t *testing.T) {
	for _, c := range []struct {
		config Config
		want   string
	}{
		{Config{Listen: "0.0.0.0:0"}, "listen: "},
		{Config{Listen: ":0"}, "listen: "},
		{Config{Listen: "127.0.0.1"}, "listen: "},
		{Config{Origins: []string{"https://"}}, "origins: "},
	} {
		if _, err := New(c.config, slog.New(slog.DiscardHandler)); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("New(%+v) = %v, want an error of %s", c.config, err, c.want)
		}
	}
}
