package main

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/seed-15847954/ropewalk/websocket"
)

// A process is `ropewalk serve --dev` on a free port.
type process struct {
	*exec.Cmd
	addr string
	log  *bufio.Reader
}

func startServe(t *testing.T, args ...string) *process {
	t.Helper()
	cmd := exec.Command(program(t), append([]string{"serve", "--dev", "--listen", "127.0.0.1:0"}, args...)...)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it has ended already, where the test went well
		_ = cmd.Wait()
	})
	p := &process{Cmd: cmd, log: bufio.NewReader(stderr)}
	lines := bufio.NewScanner(stdout)
	for p.addr == "" && lines.Scan() {
		if m := regexp.MustCompile(`^ +http://(.*)/$`).FindStringSubmatch(lines.Text()); m != nil {
			p.addr = m[1]
		}
	}
	if p.addr == "" {
		t.Fatal("serve does not say where the page is")
	}
	return p
}

// awaitLog reads the log up to a line with text in it.
func (p *process) awaitLog(t *testing.T, text string) {
	t.Helper()
	for {
		line, err := p.log.ReadString('\n')
		if strings.Contains(line, text) {
			return
		}
		if err != nil {
			t.Fatalf("the log ends without %q", text)
		}
	}
}

// wait returns the exit code.
func (p *process) wait(t *testing.T) int {
	t.Helper()
	_, _ = io.Copy(io.Discard, p.log) // up to the end of the process
	err := p.Wait()
	exit, ok := errors.AsType[*exec.ExitError](err)
	if err != nil && !ok {
		t.Fatal(err)
	}
	if ok {
		return exit.ExitCode()
	}
	return 0
}

func (p *process) signal(t *testing.T, sig os.Signal) {
	t.Helper()
	if err := p.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

func TestServeDrains(t *testing.T) {
	for _, sig := range []os.Signal{syscall.SIGTERM, syscall.SIGINT} {
		p := startServe(t)
		resp, err := http.Get("http://" + p.addr + "/")
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("GET / = %v, %v, want 200", resp, err)
		}
		resp.Body.Close()
		http.DefaultClient.CloseIdleConnections()
		conn, _, err := websocket.Dial(t.Context(), "ws://"+p.addr+"/connection/websocket", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.CloseNow()
		if err := conn.Write(t.Context(), websocket.Text, []byte(`{"id":1,"connect":{}}`)); err != nil {
			t.Fatal(err)
		}
		if _, _, err := conn.Read(t.Context()); err != nil {
			t.Fatal(err)
		}
		p.signal(t, sig)
		_, push, err := conn.Read(t.Context())
		if err != nil || !strings.HasPrefix(string(push), `{"disconnect":{"code":1001,`) {
			t.Errorf("%v: the client got %s, %v, want a disconnect with 1001", sig, push, err)
		}
		if _, _, err := conn.Read(t.Context()); closeCode(err) != websocket.CloseGoingAway {
			t.Errorf("%v: the client got %v, want close 1001", sig, err)
		}
		if got := p.wait(t); got != exitOK {
			t.Errorf("%v: exit %d, want %d", sig, got, exitOK)
		}
	}
}

// A client that does not answer holds the server up; a second signal does not wait.
func TestServeSecondSignal(t *testing.T) {
	p := startServe(t, "--drain-timeout", "1h")
	stuck, err := net.Dial("tcp", p.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer stuck.Close()
	if _, err := io.WriteString(stuck, "GET /connection/websocket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := stuck.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	p.signal(t, syscall.SIGTERM)
	p.awaitLog(t, "msg=draining")
	p.signal(t, syscall.SIGTERM)
	if got := p.wait(t); got != exitKilled {
		t.Errorf("exit %d, want %d", got, exitKilled)
	}
}

// A port that is taken is a failure, not a mistake in the command line.
func TestServePortTaken(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	code, out, complaints := runWith(t, "", "serve", "--listen", ln.Addr().String(), "--log-level", "error")
	if code != exitFailed || out != "" || strings.Count(complaints, "\n") != 1 {
		t.Errorf("exit %d, stdout %q, stderr %q, want exit %d and one line", code, out, complaints, exitFailed)
	}
}

// runWith runs a command to its end.
func runWith(t *testing.T, input string, args ...string) (code int, out, complaints string) {
	t.Helper()
	var o, e strings.Builder
	code = run(t.Context(), args, terminal{strings.NewReader(input), &o, &e})
	return code, o.String(), e.String()
}

// Mistakes in flags, file and environment give one clear line and exit 2.
func TestServeUsage(t *testing.T) {
	file := filepath.Join(t.TempDir(), "rw.yaml")
	if err := os.WriteFile(file, []byte("dev: true\nlimits:\n  data: lots\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"serve", "extra"}, "extra"},
		{[]string{"serve", "--nope"}, "--nope"},
		{[]string{"serve", "--listen"}, "--listen"},
		{[]string{"serve", "--listen", "8000"}, `--listen: listen: "8000" is not allowed, want host:port`},
		{[]string{"serve", "--listen", "0.0.0.0:8000"}, "does not ask clients who they are"},
		{[]string{"serve", "--drain-timeout", "soon"}, `"soon" is not allowed, want a duration`},
		{[]string{"serve", "--dev=maybe"}, `"maybe" is not allowed, want true or false`},
		{[]string{"serve", "--origins", "https://"}, "origins: "},
		{[]string{"serve", "--config", filepath.Join(t.TempDir(), "none.yaml")}, "none.yaml"},
		{[]string{"serve", "--config", file}, `rw.yaml:3: limits.data: "lots" is not allowed, want a whole number`},
		{[]string{"pub"}, "accepts 2 arg"},
		{[]string{"pub", "news"}, "accepts 2 arg"},
		{[]string{"pub", "--url", "http://127.0.0.1:1", "news", "1"}, "not a ws:// or wss:// URL"},
		{[]string{"sub"}, "requires at least 1 arg"},
		{[]string{"sub", "--url", "::", "news"}, "URL"},
	} {
		code, out, complaints := runWith(t, "", c.args...)
		if code != exitUsage || out != "" || strings.Count(complaints, "\n") != 1 || !strings.Contains(complaints, c.want) {
			t.Errorf("ropewalk %q: exit %d, stdout %q, stderr %q, want exit %d and one line with %q",
				c.args, code, out, complaints, exitUsage, c.want)
		}
	}
	t.Setenv("ROPEWALK_LIMITS_QUEUE", "1")
	if code, _, complaints := runWith(t, "", "serve"); code != exitUsage || !strings.Contains(complaints, "ROPEWALK_LIMITS_QUEUE: ") {
		t.Errorf("exit %d, stderr %q, want exit %d and the name of the variable", code, complaints, exitUsage)
	}
}
