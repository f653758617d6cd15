//go:build linux

package poller

import (
	"os"
	"syscall"
	"time"
	"unsafe"
)

// A waiter waits for the events of an epoll set. The set's own descriptor is
// watched by the Go runtime, so a worker that waits is a parked goroutine: it takes
// no thread and no processor from the program, and Go's deadlines end its wait
// without a system call.
type waiter struct {
	epfd int
	file *os.File // holds epfd
	raw  syscall.RawConn
	try  func(uintptr) bool

	// Owned by the loop's owner.
	events []syscall.EpollEvent // where try puts what it finds
	found  int
	slept  bool // try has found nothing at first

	// Guarded by loop.mu.
	waiting bool  // nobody has woken the owner, which waits or is about to
	until   int64 // the deadline that is set, since start; 0 is none
}

const (
	epollOneshot = 1 << 30

	woken = -1 // a deadline long past
)

func (w *waiter) open() error {
	epfd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("epoll_create1", err)
	}
	if err := syscall.SetNonblock(epfd, true); err != nil {
		_ = syscall.Close(epfd)
		return os.NewSyscallError("fcntl", err)
	}
	w.epfd, w.file = epfd, os.NewFile(uintptr(epfd), "epoll")
	w.waiting, w.until = false, 0
	w.try = w.look
	err = w.file.SetReadDeadline(time.Time{}) // whether the runtime watches it
	if err == nil {
		w.raw, err = w.file.SyscallConn()
	}
	if err != nil {
		w.shut()
	}
	return err
}

func (w *waiter) shut() { _ = w.file.Close() }

// poll returns the number of events that are there now.
func (w *waiter) poll(events []syscall.EpollEvent) int {
	n, _, errno := syscall.RawSyscall6(syscall.SYS_EPOLL_PWAIT, uintptr(w.epfd),
		uintptr(unsafe.Pointer(unsafe.SliceData(events))), uintptr(len(events)), 0, 0, 0)
	if errno != 0 {
		return 0
	}
	return int(n)
}

// look reports whether there are events.
func (w *waiter) look(uintptr) bool {
	w.found = w.poll(w.events)
	w.slept = w.slept || w.found == 0
	return w.found > 0
}

// wait returns the number of events once there are any, 0 if the wait was ended by
// wake or the deadline. It reports whether it had to wait. The caller has called
// prepare.
func (w *waiter) wait(events []syscall.EpollEvent) (n int, slept bool) {
	w.events, w.found, w.slept = events, 0, false
	if err := w.raw.Read(w.try); err != nil {
		return 0, false // os.ErrDeadlineExceeded
	}
	return w.found, w.slept
}

// prepare has the next wait end at the deadline. The caller holds loop.mu.
func (w *waiter) prepare(deadline int64) {
	w.waiting = true
	if deadline == w.until {
		return
	}
	w.until = deadline
	var at time.Time
	if deadline != 0 {
		at = start.Add(time.Duration(deadline))
	}
	_ = w.file.SetReadDeadline(at) // it has worked in open
}

// wake ends the wait, if there is one. The caller holds loop.mu.
func (w *waiter) wake() {
	if w.waiting {
		w.waiting, w.until = false, woken
		_ = w.file.SetReadDeadline(time.Unix(1, 0))
	}
}
