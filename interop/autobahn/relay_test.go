package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/seed-15847954/ropewalk/websocket"
)

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

// tunnelled runs a test with an echo over HTTP/2 and over HTTP/3, by the address of
// the relay.
func tunnelled(t *testing.T, test func(t *testing.T, addr string)) {
	for _, mode := range []string{"http2", "http3"} {
		t.Run(mode, func(t *testing.T) {
			addr, stop, err := servers[mode](t.Context(), t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := stop(); err != nil {
					t.Errorf("stop() = %v", err)
				}
			}()
			test(t, addr)
		})
	}
}

// What the two sides agree on passes the relay, and so do messages and the closing
// handshake.
func TestRelay(t *testing.T) {
	tunnelled(t, func(t *testing.T, addr string) {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		c, _, err := websocket.Dial(ctx, "ws://"+addr+"/path?a=b", &websocket.DialOptions{
			Compression: &websocket.Compression{},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer c.CloseNow()
		if !c.Compressed() {
			t.Error("Compressed() = false, want true")
		}
		for _, size := range []int{0, 1, 70000, 1 << 20} {
			want := bytes.Repeat([]byte("rope"), size)[:size]
			wrote := make(chan error, 1)
			go func() { wrote <- c.Write(ctx, websocket.Binary, want) }()
			_, got, err := c.Read(ctx)
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("Read() = %d bytes, %v, want %d bytes that were sent", len(got), err, size)
			}
			if err := <-wrote; err != nil {
				t.Fatal(err)
			}
		}
		if err := c.Close(websocket.CloseNormal, ""); err != nil {
			t.Errorf("Close() = %v, want nil", err)
		}
	})
}

// The end of the client's direction reaches the server, and that of the server's the
// client.
func TestRelayPassesFINOn(t *testing.T) {
	tunnelled(t, func(t *testing.T, addr string) {
		conn := handshake(t, addr, "13", "101 ")
		if err := conn.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if rest, err := io.ReadAll(conn); err != nil {
			t.Errorf("after FIN, the rest is %q, %v, want an end in order", rest, err)
		}
	})
}

// A refusal is passed on with its header.
func TestRelayPassesRefusalsOn(t *testing.T) {
	tunnelled(t, func(t *testing.T, addr string) {
		conn := handshake(t, addr, "8", "400 ")
		rest, err := io.ReadAll(conn)
		if !strings.Contains(string(rest), "Sec-Websocket-Version: 13\r\n") {
			t.Errorf("the rest of the refusal is %q, %v, want the version in it", rest, err)
		}
	})
}

// handshake sends an opening handshake of the version, and wants an answer with the
// status.
func handshake(t *testing.T, addr, version, status string) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(patience))
	fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade, close\r\n"+
		"Sec-WebSocket-Version: %s\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", addr, version)
	want := "HTTP/1.1 " + status
	got := make([]byte, len(want))
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != want {
		t.Fatalf("the answer begins with %q, %v, want %q", got, err, want)
	}
	return conn.(*net.TCPConn)
}

// RFC 6455, section 1.3, has this key and this answer.
func TestSwitching(t *testing.T) {
	r := &http.Request{Header: http.Header{"Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}}}
	resp := &http.Response{Header: http.Header{"Sec-Websocket-Protocol": {"chat"}, "Date": {"today"}}}
	const want = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-Websocket-Protocol: chat\r\n\r\n"
	if got := switching(r, resp); got != want {
		t.Errorf("switching() = %q, want %q", got, want)
	}
}
