package server

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/seed-15847954/ropewalk/websocket"
	"github.com/seed-15847954/ropewalk/websocket/wsh2"
	"github.com/seed-15847954/ropewalk/websocket/wsjson"
	_ "github.com/seed-15847954/ropewalk/websocket/xconnect"
)

// Clients come over HTTP/2 too, many on one connection, and are told when the server
// drains. Other requests share that connection.
func TestHTTP2(t *testing.T) {
	s, err := New(Config{Listen: "127.0.0.1:0"}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ln, err := s.Listen()
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, ln) }()
	var transport wsh2.Transport
	defer transport.Close()
	var conns []*websocket.Conn
	for range 3 {
		c, resp, err := websocket.Dial(t.Context(), "ws://"+ln.Addr().String()+"/connection/websocket", &websocket.DialOptions{Connector: &transport})
		if err != nil || resp.ProtoMajor != 2 {
			t.Fatalf("Dial() = %v, %v", resp, err)
		}
		defer c.CloseNow()
		conns = append(conns, c)
		var answer struct{ ID int }
		if err := wsjson.Write(t.Context(), c, map[string]any{"id": 7, "connect": struct{}{}}); err != nil {
			t.Fatal(err)
		}
		if err := wsjson.Read(t.Context(), c, &answer); err != nil || answer.ID != 7 {
			t.Fatalf("the answer to connect is %v, %v", answer, err)
		}
	}
	askHealth(t, ln.Addr())
	stop()
	for _, c := range conns {
		var closed *websocket.CloseError
		var err error
		for err == nil { // a message may say the same
			_, _, err = c.Read(t.Context())
		}
		if !errors.As(err, &closed) || closed.Code != websocket.CloseGoingAway {
			t.Errorf("Read() while the server drains = %v, want 1001", err)
		}
	}
	if err := <-served; err != nil {
		t.Errorf("Serve() = %v", err)
	}
}

// askHealth asks for /health over HTTP/2.
func askHealth(t *testing.T, addr net.Addr) {
	t.Helper()
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	client := http.Client{Transport: &http.Transport{Protocols: protocols}, Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	resp, err := client.Get("http://" + addr.String() + "/health")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || resp.ProtoMajor != 2 {
		t.Errorf("GET /health = %v over %v, want 200 over HTTP/2", resp.Status, resp.Proto)
	}
}
