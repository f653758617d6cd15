package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/seed-15847954/ropewalk/websocket"
)

// Clients that do not answer are cut off when the time is over, and the program
// ends as if they had.
func TestServeDrainsSilentClients(t *testing.T) {
	p := startServe(t, "--drain-timeout", "500ms")
	var silent []net.Conn
	for range 3 {
		conn, err := net.Dial("tcp", p.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "GET /connection/websocket HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", p.addr)
		if _, err := conn.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		silent = append(silent, conn)
	}
	p.signal(t, syscall.SIGTERM)
	for _, conn := range silent {
		rest, err := io.ReadAll(conn)
		// A Close frame of the server: no mask, code 1001.
		if !strings.Contains(string(rest), "\x03\xe9server is shutting down") {
			t.Errorf("a silent client got %q, %v, want a Close frame with 1001", rest, err)
		}
	}
	if got := p.wait(t); got != exitOK {
		t.Errorf("exit %d, want %d", got, exitOK)
	}
}

// The program takes its settings from the file, the environment and the flags, and
// does what they say.
func TestServeTakesSettings(t *testing.T) {
	file := filepath.Join(t.TempDir(), "rw.yaml")
	if err := os.WriteFile(file, []byte("limits: {data: 10}\nlog: {format: json}\norigins: [https://a.example]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("ROPEWALK_LIMITS_DATA", "20")
	t.Setenv("ROPEWALK_ORIGINS", "https://b.example")
	p := startServe(t, "--config", file, "--origins", "https://c.example")
	p.awaitLog(t, `"msg":"listening"`)
	for size, want := range map[int]int{10: 200, 20: 200, 21: 413} {
		body := `{"channel":"news","data":"` + strings.Repeat("x", size-2) + `"}`
		resp, err := http.Post("http://"+p.addr+"/api/publish", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("data of %d bytes: status %d, want %d", size, resp.StatusCode, want)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	for origin, want := range map[string]bool{"https://a.example": false, "https://b.example": false, "https://c.example": true} {
		conn, _, err := websocket.Dial(t.Context(), "ws://"+p.addr+"/connection/websocket", &websocket.DialOptions{
			HTTPHeader: http.Header{"Origin": {origin}},
		})
		if got := err == nil; got != want {
			t.Errorf("Dial with Origin %s = %v, want success %v", origin, err, want)
		}
		if err == nil {
			conn.CloseNow()
		}
	}
	p.signal(t, syscall.SIGTERM)
	if got := p.wait(t); got != exitOK {
		t.Errorf("exit %d, want %d", got, exitOK)
	}
}

// The same holds for the program itself: one line on stderr, exit 2 for mistakes
// and 1 for a port in use.
func TestServeFails(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	bad := filepath.Join(t.TempDir(), "bad.yaml")
	if err := os.WriteFile(bad, []byte("dev: true\n\tlisten: x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"--listen", ln.Addr().String()}, exitFailed, "address already in use"},
		{[]string{"--nope"}, exitUsage, "--nope"},
		{[]string{"--config", bad}, exitUsage, "bad.yaml:2: "},
		{[]string{"--config", bad + ".none"}, exitUsage, "bad.yaml.none"},
		{[]string{"--limits-data", "x"}, exitUsage, `--limits-data: limits.data: "x" is not allowed, want a whole number from 1 to 16777216`},
	} {
		code, out, complaints := runProgram(t, append([]string{"serve"}, c.args...)...)
		if code != c.code || out != "" || strings.Count(complaints, "\n") != 1 || !strings.Contains(complaints, c.want) {
			t.Errorf("ropewalk serve %q: exit %d, stdout %q, stderr %q, want exit %d and one line with %q",
				c.args, code, out, complaints, c.code, c.want)
		}
	}
}
