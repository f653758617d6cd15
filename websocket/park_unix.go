//go:build unix

package websocket

import (
	"io"
	"net"
	"os"
	"syscall"
)

// A parking reads from a socket and holds no buffer while it waits for bytes.
type parking struct {
	conn syscall.RawConn
	try  func(fd uintptr) bool // attempt, bound once
	addr interface {
		LocalAddr() net.Addr
		RemoteAddr() net.Addr
	}

	// Of the fill under way.
	in  *input
	err error
}

// newParking returns nil if the socket does not give its descriptor away.
func newParking(s interface {
	syscall.Conn
	LocalAddr() net.Addr
	RemoteAddr() net.Addr
},
) *parking {
	conn, err := s.SyscallConn()
	if err != nil {
		return nil
	}
	p := &parking{conn: conn, addr: s}
	p.try = p.attempt
	return p
}

// fill reads at least one byte into the empty input, which gets a buffer for as
// long as it holds something.
func (p *parking) fill(in *input) error {
	p.in = in
	err := p.conn.Read(p.try)
	p.in = nil
	if err == nil {
		err, p.err = p.err, nil
	}
	return err
}

// attempt reads once. It reports false if there is nothing to read yet.
func (p *parking) attempt(fd uintptr) bool {
	p.in.borrow()
	for {
		n, err := syscall.Read(int(fd), p.in.buf)
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			p.in.giveBack()
			return false
		case err != nil:
			p.err = p.failed(err)
		case n == 0:
			p.err = io.EOF
		default:
			p.in.filled(n)
			return true
		}
		p.in.giveBack()
		return true
	}
}

// failed gives an error of the system the form that package net gives it.
func (p *parking) failed(err error) error {
	local := p.addr.LocalAddr()
	var network string
	if local != nil {
		network = local.Network()
	}
	return &net.OpError{
		Op: "read", Net: network, Source: local, Addr: p.addr.RemoteAddr(),
		Err: os.NewSyscallError("read", err),
	}
}
