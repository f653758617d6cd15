//go:build linux

package load

import (
	"bytes"
	"cmp"
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"time"
)

// A Target is a server and how it is spoken to.
type Target struct {
	Addr       netip.AddrPort
	Path       string // what is asked for; empty means /
	Protocol   string // the subprotocol that is offered, or nothing
	Narrow     bool   // the segments of an Ethernet and a small receive buffer, which make the kernel buffer little
	Raw        bool   // no opening handshake and no frames
	Fragments  bool   // a large message comes back in several frames
	Extensions string // what is offered of permessage-deflate, or nothing
}

const (
	key    = "x3JJHMbDL1EzLkh9GBhXDw=="
	accept = "HSmrc0sMlYUkAGmm5OPpG2HaGWk=" // what key makes of it (RFC 6455, section 4.2.2)
)

// request returns the opening handshake of a client.
func (t Target) request() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "GET %s HTTP/1.1\r\nHost: %v\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n", cmp.Or(t.Path, "/"), t.Addr)
	fmt.Fprintf(&b, "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n", key)
	if t.Protocol != "" {
		fmt.Fprintf(&b, "Sec-WebSocket-Protocol: %s\r\n", t.Protocol)
	}
	if t.Extensions != "" {
		fmt.Fprintf(&b, "Sec-WebSocket-Extensions: %s\r\n", t.Extensions)
	}
	b.WriteString("\r\n")
	return []byte(b.String())
}

// together is how many connections are opened at a time.
const together = 100

// dial opens n connections and returns their descriptors, which do not block, and
// what the server agreed of extensions. A raw connection is open without a word.
func (t Target) dial(n int) (fds []int, agreed string, err error) {
	request := t.request()
	answer := func(fd int) (err error) {
		agreed, err = opened(fd)
		return err
	}
	if t.Raw {
		request, answer = nil, func(int) error { return nil }
	}
	for len(fds) < n {
		some, err := t.group(len(fds), min(together, n-len(fds)), request, answer)
		fds = append(fds, some...)
		for _, fd := range some {
			if err == nil {
				err = syscall.SetNonblock(fd, true)
			}
		}
		if err != nil {
			closeAll(fds)
			return nil, "", err
		}
	}
	return fds, agreed, nil
}

// group opens n connections, sends the request on each, and has answer read what
// comes back. It returns those that are open with an error, too.
func (t Target) group(first, n int, request []byte, answer func(fd int) error) (fds []int, err error) {
	for i := range n {
		fd, err := t.connect(first + i)
		if err != nil {
			return fds, err
		}
		fds = append(fds, fd)
		if _, err := syscall.Write(fd, request); err != nil {
			return fds, fmt.Errorf("opening handshake: %w", err)
		}
	}
	for _, fd := range fds {
		if err := answer(fd); err != nil {
			return fds, fmt.Errorf("opening handshake: %w", err)
		}
	}
	return fds, nil
}

func closeAll(fds []int) {
	for _, fd := range fds {
		_ = syscall.Close(fd)
	}
}

// sources is how many addresses of this machine connections come from: each has
// its own ports.
const sources = 8

// soBindAddressNoPort is IP_BIND_ADDRESS_NO_PORT, which leaves the choice of the
// port to connect.
const soBindAddressNoPort = 24

// connect opens the i-th connection.
func (t Target) connect(i int) (fd int, err error) {
	fd, err = syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("socket: %w", err)
	}
	timeout := syscall.NsecToTimeval(int64(patience))
	from := syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, byte(1 + i%sources)}}
	for _, set := range []func() error{
		func() error { return syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1) },
		func() error { return syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &timeout) },
		func() error { return syscall.SetsockoptInt(fd, syscall.IPPROTO_IP, soBindAddressNoPort, 1) },
		func() error { return syscall.Bind(fd, &from) },
		func() error { return t.limit(fd) },
		func() error {
			return syscall.Connect(fd, &syscall.SockaddrInet4{Port: int(t.Addr.Port()), Addr: t.Addr.Addr().As4()})
		},
	} {
		if err := set(); err != nil {
			_ = syscall.Close(fd)
			return -1, fmt.Errorf("connect: %w", err)
		}
	}
	return fd, nil
}

// limit has the kernel buffer little on both sides: it sizes a server's buffer by the
// size of segments, which on loopback are 64 KiB. Both count only before there is a
// connection.
func (t Target) limit(fd int) error {
	const buffer, segment = 4 << 10, 1460
	if !t.Narrow {
		return nil
	}
	if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_RCVBUF, buffer); err != nil {
		return err
	}
	return syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_MAXSEG, segment)
}

// patience is how long a load waits for a server that does nothing at all.
const patience = 20 * time.Second

// opened reads the server's answer to the opening handshake.
func opened(fd int) (agreed string, err error) {
	return readAnswer(func(p []byte) (int, error) { return read(fd, p) })
}

// read reads from a descriptor that blocks. A signal, of Go's own scheduler, can
// interrupt it since there is a timeout.
func read(fd int, p []byte) (n int, err error) {
	for {
		if n, err = syscall.Read(fd, p); err != syscall.EINTR {
			return n, err
		}
	}
}

func readAnswer(read func(p []byte) (int, error)) (agreed string, err error) {
	var buf [2048]byte
	n := 0
	for !bytes.HasSuffix(buf[:n], []byte("\r\n\r\n")) {
		k, err := read(buf[n:])
		if err != nil {
			return "", err
		}
		if k == 0 {
			return "", fmt.Errorf("the server ended the connection after %q", buf[:n])
		}
		n += k
	}
	return checkAnswer(string(buf[:n]))
}

// checkAnswer returns the extensions that answer agrees to.
func checkAnswer(answer string) (agreed string, err error) {
	if !strings.HasPrefix(answer, "HTTP/1.1 101 ") {
		return "", fmt.Errorf("the server's answer is %q", answer)
	}
	accepted := false
	for line := range strings.SplitSeq(answer, "\r\n") {
		name, value, _ := strings.Cut(line, ":")
		switch strings.ToLower(name) {
		case "sec-websocket-accept":
			accepted = strings.TrimSpace(value) == accept
		case "sec-websocket-extensions":
			agreed = strings.TrimSpace(value)
		}
	}
	if !accepted {
		return "", fmt.Errorf("the server's answer has the wrong Sec-WebSocket-Accept: %q", answer)
	}
	return agreed, nil
}
