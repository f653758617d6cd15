//go:build unix

package websocket

import (
	"io"
	"net"
	"os"
	"syscall"

	"github.com/seed-15847954/ropewalk/websocket/internal/protocol"
)

// A socket is the way to a descriptor of the Go runtime that needs the least memory:
// a read holds no buffer while it waits for bytes, and neither a read nor a write needs
// more than a few hundred bytes of stack. (A goroutine begins with 2 KiB, of which
// some 1,100 are for use, and a stack that has grown stays so. A write of package net
// alone takes half of that.)
//
// The zero value stands for a stream that has none.
type socket struct {
	conn syscall.RawConn

	// Of the fill under way.
	tryRead func(fd uintptr) bool // attemptRead, bound once
	c       *Conn
	flood   protocol.Flood // of c's last receiving, while it has none
	buf     *inputBuffer   // holds got bytes
	got     int
	readErr error

	// Of the write under way.
	tryWrite func(fd uintptr) bool // attemptWrite, bound once
	out      []byte                // what was not written yet
	writeErr error
}

// open makes s the way to stream's descriptor, if it gives that away.
func (s *socket) open(stream syscall.Conn) {
	conn, err := stream.SyscallConn()
	if err != nil {
		return
	}
	s.conn, s.tryRead, s.tryWrite = conn, s.attemptRead, s.attemptWrite
}

// ok reports whether there is a socket.
func (s *socket) ok() bool { return s.conn != nil }

// fill reads at least one byte into the empty input of c, which gets a buffer for as
// long as it holds something. While it waits, c has no receiving, if nothing has come in
// part: what was taken from the one before is not valid behind it. The socket is that of
// stream.
func (s *socket) fill(stream io.Closer, c *Conn) error {
	c.input.giveBack()
	s.c = c
	err := s.conn.Read(s.tryRead)
	s.c = nil
	if c.receiving == nil {
		c.startReceiving(s.flood)
	}
	if s.buf != nil {
		c.input.received(s.buf, s.got)
		s.buf = nil
	}
	if err == nil && s.readErr != nil {
		err, s.readErr = failed(stream, "read", s.readErr), nil
	}
	return err
}

// attemptRead reads once. It reports false if there is nothing to read yet.
func (s *socket) attemptRead(fd uintptr) bool {
	buf := inputBuffers.Get().(*inputBuffer)
	n, err := syscall.Read(int(fd), buf[:])
	for err == syscall.EINTR {
		n, err = syscall.Read(int(fd), buf[:])
	}
	if n > 0 {
		s.buf, s.got = buf, n
		return true
	}
	inputBuffers.Put(buf)
	if err == syscall.EAGAIN {
		if s.c.receiving != nil {
			s.flood = s.c.stopReceiving()
		}
		return false
	}
	if s.readErr = err; err == nil {
		s.readErr = io.EOF
	}
	return true
}

// maxWrite is the most that all systems take in one call.
const maxWrite = 1 << 30

// put is write for a context that never ends.
func (t *transport) put(b []byte) (int, error) {
	s := &t.socket
	if !s.ok() {
		return t.stream.Write(b)
	}
	s.out = b
	err := s.conn.Write(s.tryWrite)
	n := len(b) - len(s.out)
	s.out = nil
	if err == nil && s.writeErr != nil {
		err, s.writeErr = failed(t.stream, "write", s.writeErr), nil
	}
	return n, err
}

// attemptWrite writes what is left. It reports false if there is no room for that yet.
func (s *socket) attemptWrite(fd uintptr) bool {
	for len(s.out) > 0 {
		n, err := syscall.Write(int(fd), s.out[:min(len(s.out), maxWrite)])
		switch {
		case err == nil:
			s.out = s.out[n:]
		case err == syscall.EAGAIN:
			return false
		case err != syscall.EINTR:
			s.writeErr = err
			return true
		}
	}
	return true
}

// failed gives an error of the system the form that package net gives it.
func failed(stream io.Closer, op string, err error) error {
	if err == io.EOF {
		return err
	}
	e := &net.OpError{Op: op, Err: os.NewSyscallError(op, err)}
	if s, ok := stream.(net.Conn); ok {
		e.Source, e.Addr = s.LocalAddr(), s.RemoteAddr()
	}
	if e.Source != nil {
		e.Net = e.Source.Network()
	}
	return e
}
