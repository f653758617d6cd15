package main

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"slices"
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
	t.Run("json", func(t *testing.T) { testPubAndSub(t, "--protobuf=false") })
	t.Run("protobuf", func(t *testing.T) { testPubAndSub(t, "--protobuf") })
}

func testPubAndSub(t *testing.T, encoding string) {
	url, _ := startServer(t)
	s := startSub(t, encoding, "--url", url, "news", "sport")
	notes := []string{line(t, s.notes), line(t, s.notes)} // in either order
	slices.Sort(notes)
	if want := []string{"subscribed to news", "subscribed to sport"}; !slices.Equal(notes, want) {
		t.Errorf("sub says %q, want %q", notes, want)
	}
	for _, c := range []struct {
		input string
		args  []string
		want  string // the end of the line that sub prints
	}{
		{"", []string{"news", `{"a": [1, 2]}`}, `"data":{"a":[1,2]}}`},
		{"", []string{"news", "hello there"}, `"data":"hello there"}`},
		{"", []string{"--id", "k1", "sport", "1"}, `"data":1}`},
		{"from\nstdin", []string{"sport", "-"}, `"data":"from\nstdin"}`},
		{"\x00\xff", []string{"--content-type", "a/b", "sport", "-"}, `"content_type":"a/b","base64":"AP8="}`},
		{"", []string{"--protobuf", "--content-type", "a/b", "news", "{"}, `"content_type":"a/b","base64":"ew=="}`},
		{"", []string{"--protobuf", "--key", "k", "--tag", "a=b", "news", "[]"}, `"data":[]}`},
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

// A server that went away is waited for.
func TestSubWaitsForServer(t *testing.T) {
	url, stop := startServer(t)
	s := startSub(t, "--url", url, "news")
	line(t, s.notes)
	stop()
	if got := line(t, s.notes); !strings.Contains(got, "1001") || !strings.HasPrefix(got, "connection lost, back in ") {
		t.Errorf("sub says %q, want the code 1001", got)
	}
	go io.Copy(io.Discard, s.notes) // it ends with the command
	s.stop()
	if got := <-s.code; got != exitOK {
		t.Errorf("exit %d, want %d", got, exitOK)
	}
}

// A subscriber passes over pushes that it does not know, tells of what is left out
// and what is gone, and lets no escape through to the terminal.
//
// Security 28.
func TestSubWithRudeServer(t *testing.T) {
	url := serveOnce(t, &websocket.AcceptOptions{Subprotocols: []string{native.Subprotocol}}, func(ctx context.Context, conn *websocket.Conn) {
		for _, message := range []string{
			"> ",
			`{"id":1,"connect":{"session":"x","subscriptions":[{"subscribe":{"position":{"epoch":"e","offset":4}}}]}}`,
			`{"surprise":{}}`,
			"{\"publication\":{\"channel\":\"news\",\"epoch\":\"e\",\"offset\":9,\"prev\":4,\"time\":0,\"data\":\"\u009b\u202e\"}}",
			`{"skip":{"channel":"news","epoch":"e","offset":12,"prev":9,"reason":"dropped\u001b"}}`,
			`{"publication":{"channel":"news","epoch":"e","offset":20,"prev":19,"time":0,"data":"behind a gap"}}`,
			"> ", "> ",
			`{"id":3,"subscribe":{"position":{"epoch":"e","offset":20},"recovered":false,"reason":"trimmed"}}`,
			`{"publication":{"channel":"news","epoch":"e","offset":21,"prev":20,"time":0,"data":"end"}}`,
			`{"unsubscribed":{"channel":"news","code":"no\u001b","message":"more","retry":false}}`,
		} {
			if message == "> " {
				if _, _, err := conn.Read(ctx); err != nil {
					return
				}
				continue
			}
			if err := conn.Write(ctx, websocket.Text, []byte(message)); err != nil {
				return
			}
		}
		_, _, _ = conn.Read(ctx)
	})
	code, out, notes := runWith(t, "", "sub", "--url", url, "news")
	want := `{"channel":"news","epoch":"e","offset":9,"prev":4,"data":"\u009b\u202e"}` + "\n" +
		`{"channel":"news","epoch":"e","offset":21,"prev":20,"data":"end"}` + "\n"
	if code != exitFailed || out != want {
		t.Errorf("exit %d, stdout %q, want exit %d and %q", code, out, exitFailed, want)
	}
	wantNotes := "subscribed to news\n" +
		"news: publications behind offset 9, up to 12, are left out (dropped\\x1b)\n" +
		"news: publications may be missing behind offset 12 (trimmed)\n" +
		"subscribed to news\n" +
		"ropewalk: news: no\\x1b: more\n"
	if notes != wantNotes {
		t.Errorf("stderr %q, want %q", notes, wantNotes)
	}
}
