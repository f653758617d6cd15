//go:build linux

package poller

import (
	"syscall"
	"unsafe"
)

const (
	epollEdge    = 1 << 31
	epollOneshot = 1 << 30
)

// poll returns the events that are there.
func (l *loop) poll(events []syscall.EpollEvent) int {
	n, _, errno := syscall.RawSyscall6(syscall.SYS_EPOLL_PWAIT, uintptr(l.epfd),
		uintptr(unsafe.Pointer(unsafe.SliceData(events))), uintptr(len(events)), 0, 0, 0)
	if errno != 0 {
		return 0
	}
	return int(n)
}

// block waits for events, at most timeout milliseconds if that is not negative.
func (l *loop) block(events []syscall.EpollEvent, timeout int) int {
	n, err := syscall.EpollWait(l.epfd, events, timeout)
	if err != nil {
		return 0 // EINTR
	}
	return n
}
