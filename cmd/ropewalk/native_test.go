package main

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/seed-15847954/ropewalk/protocol/native"
	"github.com/seed-15847954/ropewalk/server"
	"github.com/seed-15847954/ropewalk/websocket"
)

// startServer runs a server until stop is called or the test ends, and returns the
// URL for clients.
func startServer(t *testing.T) (url string, stop func()) {
	t.Helper()
	s, err := server.New(server.Config{Listen: "127.0.0.1:0"}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ln, err := s.Listen()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("Serve = %v", err)
		}
	})
	return "ws://" + ln.Addr().String() + "/connection/websocket", cancel
}

// A sub is `ropewalk sub` while it runs.
type sub struct {
	out, notes *bufio.Reader
	stop       context.CancelFunc
	code       chan int
}

func startSub(t *testing.T, args ...string) *sub {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	outR, outW := io.Pipe()
	notesR, notesW := io.Pipe()
	s := &sub{bufio.NewReader(outR), bufio.NewReader(notesR), cancel, make(chan int, 1)}
	go func() {
		s.code <- run(ctx, append([]string{"sub"}, args...), terminal{strings.NewReader(""), outW, notesW})
		outW.Close()
		notesW.Close()
	}()
	t.Cleanup(cancel)
	return s
}

func line(t *testing.T, r *bufio.Reader) string {
	t.Helper()
	s, err := r.ReadString('\n')
	if err != nil {
		t.Fatalf("no line: %v", err)
	}
	return strings.TrimSuffix(s, "\n")
}

func TestPubAndSub(t *testing.T) {
	url, _ := startServer(t)
	s := startSub(t, "--url", url, "news", "sport")
	for _, want := range []string{"subscribed to news", "subscribed to sport"} {
		if got := line(t, s.notes); got != want {
			t.Errorf("sub says %q, want %q", got, want)
		}
	}
	for _, c := range []struct {
		input string
		args  []string
		want  string // the end of the line that sub prints
	}{
		{"", []string{"news", `{"a": [1, 2]}`}, `"data":{"a":[1,2]}}`},
		{"", []string{"news", "hello there"}, `"data":"hello there"}`},
		{"", []string{"--id", "k1", "sport", "1"}, `"id":"k1","data":1}`},
		{"from\nstdin", []string{"sport", "-"}, `"data":"from\nstdin"}`},
	} {
		code, out, complaints := runWith(t, c.input, append([]string{"pub", "--url", url}, c.args...)...)
		if code != exitOK || !strings.HasPrefix(out, "epoch ") || !strings.Contains(out, " offset ") {
			t.Errorf("pub %q: exit %d, stdout %q, stderr %q", c.args, code, out, complaints)
		}
		if got := line(t, s.out); !strings.HasSuffix(got, c.want) || !strings.HasPrefix(got, `{"channel":"`) {
			t.Errorf("pub %q: sub prints %s, want %s", c.args, got, c.want)
		}
	}
	s.stop()
	if got := <-s.code; got != exitOK {
		t.Errorf("sub after a signal: exit %d, want %d", got, exitOK)
	}
}

func TestPubFails(t *testing.T) {
	url, _ := startServer(t)
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--url", url, "bad\x1b", "1"}, "bad_channel"},
		{[]string{"--url", url, "news", strings.Repeat("x", 1<<16)}, "data_too_big"},
		{[]string{"--url", startEcho(t), "news", "1"}, "does not speak " + native.Subprotocol},
		{[]string{"--url", "ws://127.0.0.1:1", "news", "1"}, "refused"},
	} {
		code, out, complaints := runWith(t, "", append([]string{"pub"}, c.args...)...)
		if code != exitFailed || out != "" || strings.Count(complaints, "\n") != 1 || !strings.Contains(complaints, c.want) {
			t.Errorf("pub %.60q: exit %d, stdout %q, stderr %q, want exit %d and %q", c.args, code, out, complaints, exitFailed, c.want)
		}
	}
}

// The exit code tells that the server went away.
func TestSubEnds(t *testing.T) {
	url, stop := startServer(t)
	s := startSub(t, "--url", url, "news")
	line(t, s.notes)
	stop()
	if got := line(t, s.notes); !strings.Contains(got, "1001") {
		t.Errorf("sub says %q, want the code 1001", got)
	}
	if got := <-s.code; got != exitAbnormal {
		t.Errorf("exit %d, want %d", got, exitAbnormal)
	}
}

// A subscriber shows gaps, takes what comes before the reply, passes over pushes
// that it does not know, and lets no escape through to the terminal.
//
// Security 28.
func TestSubWithRudeServer(t *testing.T) {
	url := serveOnce(t, &websocket.AcceptOptions{Subprotocols: []string{native.Subprotocol}}, func(ctx context.Context, conn *websocket.Conn) {
		for _, message := range []string{
			`{"id":1,"connect":{"session":"x"}}`,
			`{"publication":{"channel":"news","epoch":"e","offset":5,"prev":4,"data":"early"}}`,
			`{"id":2,"subscribe":{"epoch":"e","offset":4}}`,
			`{"surprise":{}}`,
			"{\"publication\":{\"channel\":\"news\",\"epoch\":\"e\",\"offset\":9,\"prev\":8,\"data\":\"\u009b\u202e\"}}",
		} {
			if message[2] == 'i' { // a reply
				if _, _, err := conn.Read(ctx); err != nil {
					return
				}
			}
			if err := conn.Write(ctx, websocket.Text, []byte(message)); err != nil {
				return
			}
		}
		_ = conn.Close(websocket.CloseNormal, "")
	})
	code, out, notes := runWith(t, "", "sub", "--url", url, "news")
	want := `{"channel":"news","epoch":"e","offset":5,"prev":4,"data":"early"}` + "\n" +
		`{"channel":"news","epoch":"e","offset":9,"prev":8,"data":"\u009b\u202e"}` + "\n"
	if code != exitOK || out != want {
		t.Errorf("exit %d, stdout %q, want exit %d and %q", code, out, exitOK, want)
	}
	if want := "subscribed to news\nnews: publications are missing before offset 9\n"; notes != want {
		t.Errorf("stderr %q, want %q", notes, want)
	}
}
