//go:build linux

package poller

import (
	"fmt"
	"net"
	"os"
	"syscall"
)

// Detach returns the descriptor of c's socket, non-blocking, for Register, and
// closes c: whoever reads or writes c gets net.ErrClosed, and deadlines of c are
// gone. The caller owns the descriptor. c must be a *net.TCPConn or a
// *net.UnixConn; after an error it is as it was.
func Detach(c net.Conn) (fd int, err error) {
	var raw syscall.RawConn
	switch c := c.(type) {
	case *net.TCPConn:
		raw, err = c.SyscallConn()
	case *net.UnixConn:
		raw, err = c.SyscallConn()
	default:
		return -1, fmt.Errorf("poller: no socket in a %T", c)
	}
	if err != nil {
		return -1, err
	}
	var dupErr error
	if err := raw.Control(func(from uintptr) { fd, dupErr = duplicate(from) }); err != nil {
		return -1, err
	}
	if dupErr != nil {
		return -1, os.NewSyscallError("fcntl", dupErr)
	}
	_ = c.Close() // the socket itself is open as long as fd is
	return fd, nil
}

func duplicate(fd uintptr) (int, error) {
	for {
		n, _, errno := syscall.Syscall(syscall.SYS_FCNTL, fd, syscall.F_DUPFD_CLOEXEC, 0)
		switch {
		case errno == syscall.EINTR:
			continue
		case errno != 0:
			return -1, errno
		}
		return int(n), nil
	}
}
