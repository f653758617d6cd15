package main

import (
	"context"
	"encoding/json"
	"net"
	"strings"
	"testing"
	"unicode"

	"github.com/seed-15847954/ropewalk/protocol/native"
	"github.com/seed-15847954/ropewalk/websocket"
)

// Each line that sub prints is JSON and means what was published, though nothing
// in it drives a terminal.
//
// Security 28.
func TestSubPrintsJSON(t *testing.T) {
	url, _ := startServer(t)
	s := startSub(t, "--url", url, "news")
	line(t, s.notes)
	for _, want := range []string{
		"plain", `say "hi" \ and \u0041`, "a\nb\tc\x1b[2J\x7f", "👨\u200d👩\u200d👧 \"together\"", "\u00a0\u202e\u2028",
		"\U000e0001\U0010ffff\ufeff", "<&>", "",
	} {
		data, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		if code, _, complaints := runWith(t, "", "pub", "--url", url, "news", string(data)); code != exitOK {
			t.Fatalf("pub %q: exit %d, stderr %q", want, code, complaints)
		}
		text := line(t, s.out)
		var got struct{ Data string }
		if err := json.Unmarshal([]byte(text), &got); err != nil || got.Data != want {
			t.Errorf("pub %q: sub prints %s, which is %q, %v", want, text, got.Data, err)
		}
		if strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("pub %q: sub prints %q, want no control characters", want, text)
		}
	}
	s.stop()
	<-s.code
}

// The exit code of sub tells how it ended; one line on stderr says why.
func TestSubExit(t *testing.T) {
	ended := func(code websocket.CloseCode) string {
		return serveOnce(t, &websocket.AcceptOptions{Subprotocols: []string{native.Subprotocol}},
			func(_ context.Context, conn *websocket.Conn) { _ = conn.Close(code, "because\x1b") })
	}
	broken := serveOnce(t, &websocket.AcceptOptions{Subprotocols: []string{native.Subprotocol}},
		func(_ context.Context, conn *websocket.Conn) { conn.CloseNow() })
	url, _ := startServer(t)
	for _, c := range []struct {
		name string
		url  string
		args []string
		code int
		want string
	}{
		{"nobody there", "ws://" + freeAddress(t), []string{"news"}, exitFailed, "connection refused"},
		{"no subprotocol", startEcho(t), []string{"news"}, exitFailed, "does not speak"},
		{"no WebSocket", strings.TrimSuffix(url, "/connection/websocket") + "/health", []string{"news"}, exitFailed, "200"},
		{"a bad channel", url, []string{"a\nb"}, exitFailed, "bad_channel"},
		{"a channel twice", url, []string{"a", "a"}, exitFailed, "subscribed already"},
		{"a policy violation", ended(websocket.ClosePolicyViolation), []string{"news"}, exitAbnormal, "1008"},
		{"a code of its own", ended(4100), []string{"news"}, exitAbnormal, `because\x1b`},
		{"a normal close", ended(websocket.CloseNormal), []string{"news"}, exitOK, ""},
		{"a broken connection", broken, []string{"news"}, exitAbnormal, "1006"},
	} {
		code, out, notes := runWith(t, "", append([]string{"sub", "--url", c.url}, c.args...)...)
		if code != c.code || out != "" || !strings.Contains(notes, c.want) {
			t.Errorf("%s: exit %d, stdout %q, stderr %q, want exit %d and %q", c.name, code, out, notes, c.code, c.want)
		}
		for note := range strings.Lines(notes) {
			if !strings.HasPrefix(note, "ropewalk: ") && !strings.HasPrefix(note, "subscribed to ") {
				t.Errorf("%s: stderr has the line %q", c.name, note)
			}
		}
	}
}

// freeAddress returns an address of loopback where nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// pub says what went wrong on one line and exits with 1, whatever the server does.
func TestPubWithRudeServer(t *testing.T) {
	opts := &websocket.AcceptOptions{Subprotocols: []string{native.Subprotocol}}
	for _, c := range []struct {
		name    string
		replies []string
		want    string
	}{
		{"it hangs up", nil, "1006"},
		{"it hangs up later", []string{`{"id":1,"connect":{}}`}, "may or may not have been taken"},
		{"it refuses", []string{`{"id":1,"connect":{}}`, `{"id":2,"error":{"code":"no\u001b","message":"a\nb","retry":false}}`}, `no\x1b: a b`},
		{"it gives no position", []string{`{"id":1,"connect":{}}`, `{"id":2,"publish":null}`}, "has no position"},
		{"it speaks no JSON", []string{`hello`}, "message of the server"},
		{"it sends another type", []string{`{"id":"1"}`}, "message of the server"},
	} {
		url := serveOnce(t, opts, func(ctx context.Context, conn *websocket.Conn) {
			for _, reply := range c.replies {
				if _, _, err := conn.Read(ctx); err != nil {
					return
				}
				if err := conn.Write(ctx, websocket.Text, []byte(reply)); err != nil {
					return
				}
			}
			_, _, _ = conn.Read(ctx) // what comes next is not answered
		})
		code, out, complaints := runWith(t, "", "pub", "--url", url, "news", "1")
		if code != exitFailed || out != "" || strings.Count(complaints, "\n") != 1 || !strings.Contains(complaints, c.want) {
			t.Errorf("%s: exit %d, stdout %q, stderr %q, want exit %d and one line with %q", c.name, code, out, complaints, exitFailed, c.want)
		}
	}
}

// What cannot be sent as it is, is not sent; a password in a URL is not repeated.
//
// Security 19.
func TestPubUsage(t *testing.T) {
	url, _ := startServer(t)
	for _, c := range []struct {
		input string
		args  []string
		want  string
	}{
		{"", []string{"--url", url, "news", "\xff"}, "not UTF-8"},
		{"", []string{"--url", url, "news", "\"\xff\""}, "not UTF-8"},
		{"a\xc3", []string{"--url", url, "news", "-"}, "not UTF-8"},
		{"", []string{"--url", "ws://u:canary@%zz", "news", "1"}, "not a URL"},
		{"", []string{"--url", "ws://u:canary/@h", "news", "1"}, "not a URL"},
		{"", []string{"--url", "http://u:canary@h", "news", "1"}, "not a ws:// or wss:// URL"},
		{"", []string{"--url", "ws://", "news", "1"}, "not a ws:// or wss:// URL"},
	} {
		code, out, complaints := runWith(t, c.input, append([]string{"pub"}, c.args...)...)
		if code != exitUsage || out != "" || strings.Count(complaints, "\n") != 1 || !strings.Contains(complaints, c.want) ||
			strings.Contains(complaints, "canary") {
			t.Errorf("pub %q: exit %d, stdout %q, stderr %q, want exit %d and one line with %q", c.args, code, out, complaints, exitUsage, c.want)
		}
	}
}
