//go:build linux

package poller

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// serverKind is the environment variable that makes this program an echo server.
const serverKind = "POLLER_ECHO_SERVER"

const messageSize = 125

// BenchmarkEcho measures the CPU time that a process which only echoes uses for a
// message, with loops and with a goroutine for each connection. The server has one
// processor and the load another.
func BenchmarkEcho(b *testing.B) {
	for _, shape := range []struct{ connections, inFlight int }{{1, 1}, {100, 1}, {100, 16}, {1000, 1}} {
		for _, kind := range []string{"poller", "goroutines"} {
			b.Run(fmt.Sprintf("%s/%dx%d", kind, shape.connections, shape.inFlight), func(b *testing.B) {
				benchmarkEcho(b, kind, shape.connections, shape.inFlight)
			})
		}
	}
}

func benchmarkEcho(b *testing.B, kind string, connections, inFlight int) {
	setAffinity(b, 0)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), serverKind+"="+kind)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Stderr = os.Stderr
	in, _ := cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	setAffinity(b, 1)
	defer cmd.Wait()
	defer in.Close()
	answers := bufio.NewScanner(out)
	ask := func() (answer string) {
		if !answers.Scan() {
			b.Fatal("the server has ended")
		}
		return answers.Text()
	}
	used := func() (d time.Duration) {
		fmt.Fprintln(in)
		d, err := time.ParseDuration(ask())
		if err != nil {
			b.Fatal(err)
		}
		return d
	}

	load := &load{inFlight: inFlight, done: make(chan struct{})}
	load.left.Store(int64(b.N))
	addr := ask()
	for range connections {
		load.dial(b, addr)
	}
	before := used()
	b.ResetTimer()
	load.begin()
	<-load.done
	b.StopTimer()
	b.ReportMetric(float64(used()-before)/float64(b.N), "cpu-ns/op")
	load.end()
}

// setAffinity binds this thread, which starts others, to one processor.
func setAffinity(b *testing.B, processor int) {
	runtime.LockOSThread()
	b.Cleanup(runtime.UnlockOSThread)
	mask := [16]uint64{1 << processor}
	if _, _, errno := syscall.RawSyscall(syscall.SYS_SCHED_SETAFFINITY, 0, 128, uintptr(unsafe.Pointer(&mask))); errno != 0 {
		b.Fatal(errno)
	}
}

// A load has its connections send messages again as soon as they come back. It
// is a thread with its own epoll set.
type load struct {
	inFlight int
	left     atomic.Int64
	done     chan struct{}
	fds      []int
}

func (l *load) dial(b *testing.B, addr string) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	fd, err := Detach(c)
	if err != nil {
		b.Fatal(err)
	}
	l.fds = append(l.fds, fd)
}

func (l *load) begin() {
	go func() {
		defer close(l.done)
		epfd, _ := syscall.EpollCreate1(0)
		defer syscall.Close(epfd)
		message := make([]byte, 1<<16)
		for _, fd := range l.fds {
			syscall.EpollCtl(epfd, syscall.EPOLL_CTL_ADD, fd, &syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(fd)})
			write(fd, message[:l.inFlight*messageSize])
		}
		partial := make(map[int]int)
		events := make([]syscall.EpollEvent, 128)
		under := len(l.fds) * l.inFlight
		for under > 0 {
			n, _ := syscall.EpollWait(epfd, events, -1)
			for _, ev := range events[:max(n, 0)] {
				fd := int(ev.Fd)
				got, _ := read(fd, message)
				got += partial[fd]
				partial[fd] = got % messageSize
				back := got / messageSize
				under -= back
				again := max(0, min(int64(back), l.left.Add(-int64(back))+int64(back)))
				if again > 0 {
					write(fd, message[:again*messageSize])
					under += int(again)
				}
			}
		}
	}()
}

func (l *load) end() {
	for _, fd := range l.fds {
		syscall.Close(fd)
	}
}

// serveEcho is the server's process. For each line it reads it prints the CPU
// time used so far.
func serveEcho(kind string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(l.Addr())
	var all sync.WaitGroup
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if kind == "goroutines" {
				all.Go(func() { echoAlone(c) })
				continue
			}
			fd, err := Detach(c)
			if err != nil {
				panic(err)
			}
			e := new(echo)
			if err := e.Register(fd, e); err != nil {
				panic(err)
			}
		}
	}()
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		var usage syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
			panic(err)
		}
		fmt.Println(time.Duration(usage.Utime.Nano() + usage.Stime.Nano()))
	}
}

func echoAlone(c net.Conn) {
	buf := make([]byte, 4096)
	for {
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		if _, err := c.Write(buf[:n]); err != nil {
			return
		}
	}
}
