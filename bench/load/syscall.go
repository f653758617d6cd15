//go:build linux

package load

import (
	"syscall"
	"unsafe"
)

// transfer is read or write, told to nobody: Go's scheduler need not hear of a
// call that cannot block.
func transfer(trap uintptr, fd int, p []byte) (int, error) {
	for {
		n, _, errno := syscall.RawSyscall(trap, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
		switch errno {
		case 0:
			return int(n), nil
		case syscall.EINTR:
		default:
			return 0, errno
		}
	}
}

// A poller tells which descriptors are ready.
type poller struct {
	fd     int
	events []syscall.EpollEvent
}

func newPoller() (*poller, error) {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	return &poller{fd: fd, events: make([]syscall.EpollEvent, 512)}, err
}

func (p *poller) close() { _ = syscall.Close(p.fd) }

// add has the poller report when fd can be read.
func (p *poller) add(fd int) error {
	return p.control(syscall.EPOLL_CTL_ADD, fd, syscall.EPOLLIN)
}

// writable has the poller report fd when it can be read and, if on, written.
func (p *poller) writable(fd int, on bool) error {
	events := uint32(syscall.EPOLLIN)
	if on {
		events |= syscall.EPOLLOUT
	}
	return p.control(syscall.EPOLL_CTL_MOD, fd, events)
}

func (p *poller) control(op, fd int, events uint32) error {
	return syscall.EpollCtl(p.fd, op, fd, &syscall.EpollEvent{Events: events, Fd: int32(fd)})
}

// wait returns what is ready, after at most ms milliseconds.
func (p *poller) wait(ms int) ([]syscall.EpollEvent, error) {
	n, err := syscall.EpollWait(p.fd, p.events, ms)
	if err == syscall.EINTR {
		return nil, nil
	}
	return p.events[:max(n, 0)], err
}
