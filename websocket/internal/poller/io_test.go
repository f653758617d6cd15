//go:build linux

package poller

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// An entry is all that a connection needs.
func TestEntrySize(t *testing.T) {
	if size := unsafe.Sizeof(Entry{}); size > 64 {
		t.Errorf("an entry has %d bytes, want at most 64", size)
	}
}

// fill writes until the socket takes no more.
func fill(t testing.TB, e *Entry) (n int) {
	t.Helper()
	chunk := make([]byte, 64<<10)
	for {
		m, err := e.Write(chunk)
		if n += m; err == ErrAgain {
			return n
		} else if err != nil || m != len(chunk) {
			t.Fatalf("Write = %d, %v, want ErrAgain with a short count", m, err)
		}
	}
}

func discard(c net.Conn) { _, _ = io.Copy(io.Discard, c) }

// A socket that takes no more is writable when its peer has read, and not before.
func TestWritable(t *testing.T) {
	const size = 32 << 20
	left := size
	done := make(chan struct{})
	p := &probe{}
	p.onReady = func(_ *Worker, ev Events) {
		n, err := p.Write(make([]byte, min(left, 1<<20)))
		if ev != Writable || n == 0 {
			t.Errorf("Write in Ready(%b) = %d, %v, want room", ev, n, err)
		}
		if left -= n; left == 0 {
			p.WatchWritable(false)
			close(done)
		}
	}
	client := p.watch(t)
	p.WatchWritable(true)
	<-rounds(p, 20)
	if got, err := io.CopyN(io.Discard, client, size); err != nil {
		t.Fatalf("read %d of %d bytes: %v", got, size, err)
	}
	<-done
}

// Writev writes all slices in order, however many there are, and says how much
// the socket has taken.
func TestWritev(t *testing.T) {
	p := &probe{}
	client := p.watch(t)
	var bufs [][]byte
	var want []byte
	for i := range 1000 {
		b := bytes.Repeat([]byte{byte(i)}, i*13%257)
		bufs = append(bufs, b)
		want = append(want, b...)
	}
	var got bytes.Buffer
	var reading sync.WaitGroup
	reading.Go(func() { _, _ = io.Copy(&got, client) })
	n, err := p.Writev(bufs)
	if n != len(want) || err != nil {
		t.Errorf("Writev = %d, %v, want %d", n, err, len(want))
	}
	p.CloseWrite()
	reading.Wait()
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("the peer has read %d bytes, want the %d written", got.Len(), len(want))
	}

	q := &probe{}
	q.watch(t)
	big := [][]byte{make([]byte, 1<<20), nil, make([]byte, 64<<20)}
	if n, err := q.Writev(big); err != ErrAgain || n <= 0 || n >= 65<<20 {
		t.Errorf("Writev to a full socket = %d, %v, want a part and ErrAgain", n, err)
	}
}

// Reading and writing cost no allocation.
func TestAllocations(t *testing.T) {
	p := &probe{}
	client := p.watch(t)
	p.WatchReadable(false)
	go discard(client)
	b := make([]byte, 16)
	bufs := [][]byte{b, b}
	for name, call := range map[string]func(){
		"Read":     func() { _, _ = p.Read(b) },
		"Write":    func() { _, _ = p.Write(b) },
		"Writev":   func() { _, _ = p.Writev(bufs) },
		"Schedule": p.Schedule,
		"SetTimer": func() { p.SetTimer(start.Add(1 << 50)) },
		"Watch":    func() { p.WatchWritable(true); p.WatchWritable(false) },
	} {
		if n := testing.AllocsPerRun(100, call); n != 0 {
			t.Errorf("%s allocates %v times, want 0", name, n)
		}
	}
}

func TestAddresses(t *testing.T) {
	for _, host := range []string{"127.0.0.1:0", "[::1]:0"} {
		l, err := net.Listen("tcp", host)
		if err != nil {
			t.Fatal(err)
		}
		checkAddresses(t, l)
	}
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "socket"))
	if err != nil {
		t.Fatal(err)
	}
	checkAddresses(t, l)
}

func checkAddresses(t *testing.T, l net.Listener) {
	t.Helper()
	defer l.Close()
	client, err := net.Dial(l.Addr().Network(), l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	local, remote := server.LocalAddr(), server.RemoteAddr()
	p := &probe{t: t}
	register(t, &p.Entry, server, p)
	defer p.Close()
	for _, pair := range [][2]net.Addr{{p.LocalAddr(), local}, {p.RemoteAddr(), remote}} {
		got, want := pair[0], pair[1]
		if got == nil || got.Network() != want.Network() || got.String() != want.String() {
			t.Errorf("address = %v, want %v", got, want)
		}
	}
}

// What Detach does not take is as it was.
func TestDetach(t *testing.T) {
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if _, err := Detach(a); err == nil {
		t.Error("Detach(pipe) = nil, want an error")
	}
	go discard(b)
	if _, err := a.Write([]byte("x")); err != nil {
		t.Errorf("Write after Detach = %v", err)
	}

	client, server := pair(t)
	fd, err := Detach(server)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	if err := server.SetDeadline(time.Now()); err == nil {
		t.Error("the net.Conn is open after Detach")
	}
	if _, err := Detach(server); err == nil {
		t.Error("Detach of a closed net.Conn = nil, want an error")
	}
	if flags, _, _ := syscall.RawSyscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_GETFL, 0); flags&syscall.O_NONBLOCK == 0 {
		t.Error("the descriptor is blocking")
	}
	if flags, _, _ := syscall.RawSyscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_GETFD, 0); flags&syscall.FD_CLOEXEC == 0 {
		t.Error("the descriptor is passed on to other programs")
	}
	if _, err := syscall.Write(fd, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	var got [5]byte
	if _, err := io.ReadFull(client, got[:]); err != nil || string(got[:]) != "hello" {
		t.Errorf("the peer read %q, %v", got, err)
	}
}

// What epoll does not take stays the caller's, and the loop ends again.
func TestRegisterErrors(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p := &probe{}
	if err := p.Register(int(f.Fd()), p); err == nil {
		t.Error("Register(file) = nil, want an error")
	}
	if !isOpen(int(f.Fd())) {
		t.Error("Register closed the descriptor")
	}
	if err := p.Register(int(f.Fd()), p); err == nil {
		t.Error("Register again = nil, want an error")
	}
	if err := new(Entry).Register(-1, p); err == nil {
		t.Error("Register(-1) = nil, want an error")
	}
	p.Close()
	if left := leftGoroutines(); len(left) > 0 {
		t.Errorf("%d goroutines are left", len(left))
	}
}

// Without a descriptor left for a loop, Register says so and the next one works.
func TestRegisterWithoutDescriptors(t *testing.T) {
	client, server := pair(t)
	defer client.Close()
	fd, err := Detach(server)
	if err != nil {
		t.Fatal(err)
	}
	if left := leftGoroutines(); len(left) > 0 {
		t.Fatalf("%d goroutines are left", len(left))
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	low := limit
	low.Cur = 3
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	p := &probe{t: t}
	err = p.Register(fd, p)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if !errors.Is(err, syscall.EMFILE) || !isOpen(fd) {
		t.Fatalf("Register = %v, want EMFILE and the descriptor open", err)
	}
	p = &probe{t: t}
	if err := p.Register(fd, p); err != nil {
		t.Errorf("Register = %v", err)
	}
	p.Close()
}
