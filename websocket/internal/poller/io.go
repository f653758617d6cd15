//go:build linux

package poller

import (
	"io"
	"net"
	"syscall"
	"unsafe"
)

// Read reads once what is there, at most len(p) bytes. Errors are those of the
// system, but for ErrAgain, io.EOF, and net.ErrClosed after Close.
func (e *Entry) Read(p []byte) (int, error) {
	if !e.acquire() {
		return 0, net.ErrClosed
	}
	defer e.release()
	if len(p) == 0 {
		return 0, nil
	}
	for {
		n, errno := read(int(e.fd), p)
		switch {
		case errno == syscall.EINTR:
			continue
		case errno == syscall.EAGAIN:
			return 0, ErrAgain
		case errno != 0:
			return 0, errno
		case n == 0:
			return 0, io.EOF
		}
		return n, nil
	}
}

// Write writes once what there is room for, and returns ErrAgain with the count
// if that is not all. Other errors are as those of Read. Two calls at once may mix
// their bytes.
func (e *Entry) Write(p []byte) (int, error) {
	if !e.acquire() {
		return 0, net.ErrClosed
	}
	defer e.release()
	if len(p) == 0 {
		return 0, nil
	}
	for {
		n, errno := write(int(e.fd), p)
		if errno != syscall.EINTR {
			return wrote(n, len(p), errno)
		}
	}
}

// wrote is the result of a system call that was to write want bytes.
func wrote(n, want int, errno syscall.Errno) (int, error) {
	switch {
	case errno == syscall.EAGAIN:
		return 0, ErrAgain
	case errno != 0:
		return 0, errno
	case n < want:
		return n, ErrAgain
	}
	return n, nil
}

// maxVectors is how many slices leave in one system call.
const maxVectors = 64

// Writev writes what Write would write of all slices after one another, in one
// system call for each 64 of them. It does not change bufs.
func (e *Entry) Writev(bufs [][]byte) (int, error) {
	if !e.acquire() {
		return 0, net.ErrClosed
	}
	defer e.release()
	total := 0
	for {
		var vectors [maxVectors]syscall.Iovec
		count, size := 0, 0
		for len(bufs) > 0 && count < maxVectors {
			if len(bufs[0]) > 0 {
				vectors[count].Base = unsafe.SliceData(bufs[0])
				vectors[count].SetLen(len(bufs[0]))
				count++
				size += len(bufs[0])
			}
			bufs = bufs[1:]
		}
		if count == 0 {
			return total, nil
		}
		n, errno := writev(int(e.fd), vectors[:count])
		for errno == syscall.EINTR {
			n, errno = writev(int(e.fd), vectors[:count])
		}
		n, err := wrote(n, size, errno)
		total += n
		if err != nil {
			return total, err
		}
	}
}

func writev(fd int, vectors []syscall.Iovec) (int, syscall.Errno) {
	releaseRace()
	n, _, errno := syscall.RawSyscall(syscall.SYS_WRITEV, uintptr(fd),
		uintptr(unsafe.Pointer(unsafe.SliceData(vectors))), uintptr(len(vectors)))
	return int(n), errno
}

// LocalAddr returns the socket's own address, nil after Close or if it has none.
func (e *Entry) LocalAddr() net.Addr { return e.addr(syscall.Getsockname) }

// RemoteAddr returns the peer's address, nil after Close or if it has none.
func (e *Entry) RemoteAddr() net.Addr { return e.addr(syscall.Getpeername) }

func (e *Entry) addr(name func(int) (syscall.Sockaddr, error)) net.Addr {
	if !e.acquire() {
		return nil
	}
	defer e.release()
	sa, err := name(int(e.fd))
	if err != nil {
		return nil
	}
	switch sa := sa.(type) {
	case *syscall.SockaddrInet4:
		return &net.TCPAddr{IP: append(net.IP(nil), sa.Addr[:]...), Port: sa.Port}
	case *syscall.SockaddrInet6:
		return &net.TCPAddr{IP: append(net.IP(nil), sa.Addr[:]...), Port: sa.Port, Zone: zone(int(sa.ZoneId))}
	case *syscall.SockaddrUnix:
		return &net.UnixAddr{Name: sa.Name, Net: "unix"}
	}
	return nil
}

// zone is the name of an interface of link-local addresses.
func zone(index int) string {
	if index == 0 {
		return ""
	}
	ifi, err := net.InterfaceByIndex(index)
	if err != nil {
		return ""
	}
	return ifi.Name
}
