//go:build linux

package poller

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	if kind := os.Getenv(serverKind); kind != "" {
		serveEcho(kind)
		return
	}
	code := m.Run()
	if left := leftGoroutines(); code == 0 && len(left) > 0 {
		fmt.Fprintf(os.Stderr, "%d goroutines are left:\n\n%s\n", len(left), strings.Join(left, "\n\n"))
		code = 1
	}
	os.Exit(code)
}

// leftGoroutines returns the stacks of the package's goroutines, but for the
// tests' own, once there are none or the time to end has passed.
func leftGoroutines() (left []string) {
	for deadline := time.Now().Add(15 * time.Second); time.Now().Before(deadline); <-time.After(time.Millisecond) {
		left = nil
		buf := make([]byte, 1<<20)
		for stack := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
			test := strings.Contains(stack, "testing.tRunner") || strings.Contains(stack, "testing.(*M).Run") ||
				strings.Contains(stack, "testing.(*B)") || strings.Contains(stack, "leftGoroutines")
			if !test && strings.Contains(stack, "internal/poller.") {
				left = append(left, stack)
			}
		}
		if len(left) == 0 {
			break
		}
	}
	return left
}

// A probe calls the functions that are not nil, and checks that calls do not
// overlap that must not.
type probe struct {
	Entry
	t       testing.TB
	onReady func(w *Worker, ev Events)
	onFlush func(w *Worker)
	onTimer func(now time.Time)
	onStall func()

	late               atomic.Bool // its Ready was called late or has called Block
	inReady, inFlush   atomic.Int32
	inTimer            atomic.Int32
	readies, flushes   atomic.Int32
	stalls, timerCalls atomic.Int32
}

func (p *probe) enter(inside *atomic.Int32, what string) {
	if n := inside.Add(1); n != 1 {
		p.t.Errorf("%d calls of %s at once", n, what)
	}
}

func (p *probe) Ready(w *Worker, ev Events) {
	p.late.Store(false)
	p.readies.Add(1)
	p.enter(&p.inReady, "Ready")
	if p.inFlush.Load() != 0 {
		p.t.Error("Ready began beside Flush")
	}
	if p.onReady != nil {
		p.onReady(w, ev)
	}
	p.inReady.Add(-1)
}

func (p *probe) Flush(w *Worker) {
	p.flushes.Add(1)
	p.enter(&p.inFlush, "Flush")
	if p.inReady.Load() != 0 && !p.late.Load() {
		p.t.Error("Flush began beside a Ready in time")
	}
	if p.onFlush != nil {
		p.onFlush(w)
	}
	p.inFlush.Add(-1)
}

func (p *probe) Timer(now time.Time) {
	p.timerCalls.Add(1)
	p.enter(&p.inTimer, "Timer")
	if p.onTimer != nil {
		p.onTimer(now)
	}
	p.inTimer.Add(-1)
}

func (p *probe) Stalled() {
	p.late.Store(true)
	p.stalls.Add(1)
	if p.onStall != nil {
		p.onStall()
	}
}

// watch registers p with one end of a new connection and returns the other.
func (p *probe) watch(t testing.TB) (client *net.TCPConn) {
	t.Helper()
	p.t = t
	client, server := pair(t)
	register(t, &p.Entry, server, p)
	t.Cleanup(p.Close)
	return client
}

// watchBeside is watch for a probe that is to be in the loop of other.
func (p *probe) watchBeside(t testing.TB, other *probe) (client *net.TCPConn) {
	t.Helper()
	p.t = t
	client, server := pair(t)
	fd, err := Detach(server)
	if err == nil {
		err = p.register(other.loop, fd, p)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return client
}

// drop reads and throws away what is there.
func (p *probe) drop(w *Worker) (n int) {
	n, err := p.Read(w.Buffer())
	if err != nil && err != ErrAgain {
		p.Close()
	}
	return n
}

// pair returns the two ends of a TCP connection over loopback.
func pair(t testing.TB) (client, server *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.(*net.TCPConn), s.(*net.TCPConn)
}

// register detaches the server's end and registers it.
func register(t testing.TB, e *Entry, server net.Conn, target Target) {
	t.Helper()
	fd, err := Detach(server)
	if err != nil {
		t.Fatalf("Detach(%T) = %v", server, err)
	}
	if err := e.Register(fd, target); err != nil {
		t.Fatalf("Register(%d) = %v", fd, err)
	}
}

func send(t testing.TB, c net.Conn, s string) {
	t.Helper()
	if _, err := c.Write([]byte(s)); err != nil {
		t.Fatalf("Write(%q) = %v", s, err)
	}
}

// openDescriptors counts those of the process.
func openDescriptors(t testing.TB) int {
	t.Helper()
	dir, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(dir)
}

// isOpen reports whether fd is a descriptor of the process.
func isOpen(fd int) bool {
	_, _, errno := syscall.RawSyscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_GETFD, 0)
	return errno == 0
}
