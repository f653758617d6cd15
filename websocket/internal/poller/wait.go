//go:build linux

package poller

import (
	"os"
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


var waitKind = os.Getenv("POLLER_WAIT")

type nest struct {
	f    *os.File
	raw  syscall.RawConn
	gate int
	n    int
	events []syscall.EpollEvent
	try  func(fd uintptr) bool
}

// block waits for events, at most timeout milliseconds if that is not negative.
func (l *loop) block(events []syscall.EpollEvent, timeout int) int {
	switch waitKind {
	case "nested", "gate":
		return l.blockNested(events, timeout)
	}
	n, err := syscall.EpollWait(l.epfd, events, timeout)
	if err != nil {
		return 0 // EINTR
	}
	return n
}

func (l *loop) blockNested(events []syscall.EpollEvent, timeout int) int {
	ns := &l.nest
	if ns.f == nil {
		fd := l.epfd
		if waitKind == "gate" {
			fd, _ = syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
			ns.gate = fd
			syscall.EpollCtl(fd, syscall.EPOLL_CTL_ADD, l.epfd, &syscall.EpollEvent{Events: epollOneshot, Fd: 1})
		}
		syscall.SetNonblock(fd, true)
		ns.f = os.NewFile(uintptr(fd), "epoll")
		ns.raw, _ = ns.f.SyscallConn()
		ns.try = func(uintptr) bool {
			ns.n = l.poll(ns.events)
			if ns.n == 0 && ns.gate != 0 {
				one := [1]syscall.EpollEvent{}
				g := loop{epfd: ns.gate}
				g.poll(one[:])
				rawCtl(ns.gate, syscall.EPOLL_CTL_MOD, l.epfd, &syscall.EpollEvent{Events: epollOneshot|syscall.EPOLLIN, Fd: 1})
			}
			return ns.n > 0
		}
	}
	ns.events = events
	ns.n = 0
	if err := ns.raw.Read(ns.try); err != nil {
		panic(err)
	}
	return ns.n
}

func rawCtl(epfd, op, fd int, ev *syscall.EpollEvent) {
	syscall.RawSyscall6(syscall.SYS_EPOLL_CTL, uintptr(epfd), uintptr(op), uintptr(fd), uintptr(unsafe.Pointer(ev)), 0, 0)
}
