package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/seed-15847954/ropewalk/websocket"
)

// startEcho runs `ropewalk echo` with args until the test ends, and returns the URL
// that it prints.
func startEcho(t *testing.T, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r, w := io.Pipe()
	var complaints bytes.Buffer
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, append([]string{"echo", "--addr", "127.0.0.1:0"}, args...), terminal{strings.NewReader(""), w, &complaints})
		w.Close()
	}()
	t.Cleanup(func() {
		cancel()
		if got := <-code; got != exitOK {
			t.Errorf("echo exit = %d, want %d; stderr: %s", got, exitOK, &complaints)
		}
	})
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatalf("echo printed nothing: %v", err)
	}
	go io.Copy(io.Discard, r)
	return strings.TrimSpace(strings.TrimPrefix(line, "echo on "))
}

// echoModes are the flags of each way to echo.
var echoModes = map[string][]string{"blocking": nil, "events": {"--events"}}

func TestEcho(t *testing.T) {
	for mode, flags := range echoModes {
		t.Run(mode, func(t *testing.T) {
			checkEcho(t, startEcho(t, append(flags, "--compress", "--subprotocol", "a,b", "--max-message", "1000")...))
		})
	}
}

// checkEcho wants messages of up to 1000 bytes back.
func checkEcho(t *testing.T, url string) {
	t.Helper()
	c, _, err := websocket.Dial(t.Context(), url, &websocket.DialOptions{
		Subprotocols: []string{"b"},
		Compression:  &websocket.Compression{},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	if got := c.Subprotocol(); got != "b" {
		t.Errorf("Subprotocol() = %q, want b", got)
	}
	if !c.Compressed() {
		t.Error("Compressed() = false, want true")
	}
	for _, typ := range []websocket.MessageType{websocket.Text, websocket.Binary} {
		for _, size := range []int{0, 1, 1000} {
			want := bytes.Repeat([]byte("x"), size)
			if err := c.Write(t.Context(), typ, want); err != nil {
				t.Fatal(err)
			}
			gotType, got, err := c.Read(t.Context())
			if err != nil || gotType != typ || !bytes.Equal(got, want) {
				t.Fatalf("Read() = %v, %d bytes, %v, want %v, %d bytes", gotType, len(got), err, typ, size)
			}
		}
	}
	if err := c.Write(t.Context(), websocket.Text, make([]byte, 1001)); err != nil {
		t.Fatal(err)
	}
	_, _, err = c.Read(t.Context())
	if got := closeCode(err); got != websocket.CloseMessageTooBig {
		t.Errorf("Read() = %v, want %v", err, websocket.CloseMessageTooBig)
	}
}

func TestEchoOrigin(t *testing.T) {
	for _, c := range []struct {
		flags  []string
		origin string
		want   bool
	}{
		{nil, "https://evil.example", false},
		{[]string{"--origin", "https://good.example"}, "https://good.example", true},
		{[]string{"--origin", "https://good.example"}, "https://evil.example", false},
		{[]string{"--origin", "*"}, "https://evil.example", true},
	} {
		url := startEcho(t, c.flags...)
		conn, resp, err := websocket.Dial(t.Context(), url, &websocket.DialOptions{
			HTTPHeader: http.Header{"Origin": {c.origin}},
		})
		if got := err == nil; got != c.want {
			t.Errorf("echo %v, origin %s: Dial() = %v, want success %v", c.flags, c.origin, err, c.want)
		}
		if err == nil {
			conn.CloseNow()
		} else if resp == nil || resp.StatusCode != http.StatusForbidden {
			t.Errorf("echo %v, origin %s: response = %v, want 403", c.flags, c.origin, resp)
		}
	}
}

// On the end of its context, as on SIGTERM, the server says that it is going away to
// each client, and waits for the answers.
func TestEchoShutdown(t *testing.T) {
	for mode, flags := range echoModes {
		t.Run(mode, func(t *testing.T) { checkShutdown(t, flags) })
	}
}

func checkShutdown(t *testing.T, flags []string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, w := io.Pipe()
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, append([]string{"echo", "--addr", "127.0.0.1:0"}, flags...), terminal{strings.NewReader(""), w, io.Discard})
	}()
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	var clients []*websocket.Conn
	for range 3 {
		c, _, err := websocket.Dial(t.Context(), strings.TrimSpace(strings.TrimPrefix(line, "echo on ")), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer c.CloseNow()
		wantEcho(t, c, "before the end") // what is not accepted yet is cut off
		clients = append(clients, c)
	}
	cancel()
	for i, c := range clients {
		select {
		case got := <-code:
			t.Fatalf("exit = %d before client %d of %d has answered", got, i+1, len(clients))
		default:
		}
		_, _, err = c.Read(t.Context())
		if got := closeCode(err); got != websocket.CloseGoingAway {
			t.Errorf("Read() = %v, want %v", err, websocket.CloseGoingAway)
		}
	}
	if got := <-code; got != exitOK {
		t.Errorf("exit = %d, want %d", got, exitOK)
	}
}

// wantEcho sends a text and wants it back.
func wantEcho(t *testing.T, c *websocket.Conn, text string) {
	t.Helper()
	if err := c.Write(t.Context(), websocket.Text, []byte(text)); err != nil {
		t.Fatal(err)
	}
	if _, got, err := c.Read(t.Context()); err != nil || string(got) != text {
		t.Fatalf("Read() = %q, %v, want %q", got, err, text)
	}
}
