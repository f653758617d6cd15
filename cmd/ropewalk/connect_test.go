package main

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/seed-15847954/ropewalk/websocket"
)

func closeCode(err error) websocket.CloseCode {
	var closed *websocket.CloseError
	if errors.As(err, &closed) {
		return closed.Code
	}
	return 0
}

// connectTo runs `ropewalk connect` with the given input, and returns the exit code
// and what was printed.
func connectTo(t *testing.T, input string, args ...string) (code int, out, complaints string) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(t.Context(), append([]string{"connect"}, args...), terminal{strings.NewReader(input), &o, &e})
	return code, o.String(), e.String()
}

// serveOnce starts a server that hands each connection to f.
func serveOnce(t *testing.T, opts *websocket.AcceptOptions, f func(context.Context, *websocket.Conn)) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, opts)
		if err != nil {
			return
		}
		defer c.CloseNow()
		f(t.Context(), c)
	}))
	t.Cleanup(s.Close)
	return "ws" + strings.TrimPrefix(s.URL, "http")
}

func TestConnectEchoes(t *testing.T) {
	url := startEcho(t, "--compress", "--subprotocol", "p")
	code, out, complaints := connectTo(t, "hello\n/binary 00ff\n//slash\n/ping\n/nope\n/binary x\n",
		"--subprotocol", "p", "--compress", url)
	if code != exitOK {
		t.Errorf("exit = %d, want %d; stderr: %s", code, exitOK, complaints)
	}
	for _, want := range []string{
		"* connected, subprotocol p, permessage-deflate\n",
		"< hello\n",
		"< binary 2 bytes: 00ff\n",
		"< /slash\n",
		"* pong\n",
		"* round trip ",
		"* error: unknown command /nope",
		"* error: /binary takes hexadecimal digits",
		"* closed by us: 1000 normal closure\n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("output lacks %q:\n%s", want, out)
		}
	}
}

// The exit code tells how the connection ended.
func TestConnectExit(t *testing.T) {
	for _, c := range []struct {
		code websocket.CloseCode
		want int
	}{
		{websocket.CloseNormal, exitOK},
		{websocket.CloseGoingAway, exitOK},
		{websocket.CloseNoStatus, exitOK},
		{websocket.ClosePolicyViolation, exitAbnormal},
		{4001, exitAbnormal},
	} {
		url := serveOnce(t, nil, func(_ context.Context, conn *websocket.Conn) { _ = conn.Close(c.code, "because") })
		code, out, _ := connectTo(t, "", url)
		if code != c.want || !strings.Contains(out, "* closed by the server: "+c.code.String()) {
			t.Errorf("closed with %v: exit = %d, want %d; output:\n%s", c.code, code, c.want, out)
		}
	}
}

func TestConnectCloses(t *testing.T) {
	got := make(chan error, 1)
	url := serveOnce(t, nil, func(ctx context.Context, conn *websocket.Conn) {
		_, _, err := conn.Read(ctx)
		got <- err
	})
	code, out, _ := connectTo(t, "/close x\n/close 4001 bye now\n", url)
	if code != exitAbnormal || !strings.Contains(out, "* error: /close x: the code is a number") {
		t.Errorf("exit = %d, want %d; output:\n%s", code, exitAbnormal, out)
	}
	var closed *websocket.CloseError
	if err := <-got; !errors.As(err, &closed) || closed.Code != 4001 || closed.Reason != "bye now" {
		t.Errorf("server read %v, want close 4001 \"bye now\"", err)
	}
}

// Security 28.
func TestConnectEscapes(t *testing.T) {
	url := serveOnce(t, nil, func(ctx context.Context, conn *websocket.Conn) {
		_ = conn.Write(ctx, websocket.Text, []byte("a\x1b[2Jb\r\nc\u202e"))
		_ = conn.Close(websocket.CloseNormal, "x\x1b]0;title\a")
	})
	_, out, _ := connectTo(t, "", url)
	if strings.ContainsAny(out, "\x1b\a\r\u202e") {
		t.Errorf("output has raw control characters: %q", out)
	}
	if want := `< a\x1b[2Jb\r\nc\u202e`; !strings.Contains(out, want) {
		t.Errorf("output lacks %q:\n%s", want, out)
	}
}

func TestConnectShowsPings(t *testing.T) {
	url := serveOnce(t, &websocket.AcceptOptions{}, func(_ context.Context, conn *websocket.Conn) {
		_, _ = conn.Ping(conn.CloseRead())
		_ = conn.Close(websocket.CloseNormal, "")
	})
	if _, out, _ := connectTo(t, "", url); !strings.Contains(out, "* ping ") {
		t.Errorf("output lacks a ping:\n%s", out)
	}
}

func TestConnectRefused(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	url := "ws" + strings.TrimPrefix(s.URL, "http")
	code, _, complaints := connectTo(t, "", url)
	if code != exitFailed || !strings.Contains(complaints, "404") || strings.Count(complaints, "\n") != 1 {
		t.Errorf("exit = %d, want %d; stderr: %q, want one line with 404", code, exitFailed, complaints)
	}
}

// Bad flags and arguments give one line and exit 2.
func TestUsage(t *testing.T) {
	for _, args := range [][]string{
		{"nope"},
		{"--nope"},
		{"echo", "--nope"},
		{"echo", "extra"},
		{"echo", "--max-message", "x"},
		{"echo", "--tls-cert", "only.pem"},
		{"echo", "--tls-cert", "none.pem", "--tls-key", "none.key"},
		{"connect"},
		{"connect", "ws://127.0.0.1:1", "extra"},
		{"connect", "--header", "novalue", "ws://127.0.0.1:1"},
		{"connect", "--ping-interval", "soon", "ws://127.0.0.1:1"},
		{"version", "extra"},
	} {
		var out, complaints bytes.Buffer
		code := run(t.Context(), args, terminal{strings.NewReader(""), &out, &complaints})
		if code != exitUsage || strings.Count(complaints.String(), "\n") != 1 || out.Len() > 0 {
			t.Errorf("ropewalk %q: exit %d, stdout %q, stderr %q, want exit %d and one line on stderr",
				args, code, &out, &complaints, exitUsage)
		}
	}
}

func TestVersion(t *testing.T) {
	var out, complaints bytes.Buffer
	code := run(t.Context(), []string{"version"}, terminal{strings.NewReader(""), &out, &complaints})
	if code != exitOK || !strings.HasPrefix(out.String(), "ropewalk ") {
		t.Errorf("version: exit %d, stdout %q, stderr %q", code, &out, &complaints)
	}
}
