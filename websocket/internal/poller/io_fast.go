//go:build linux && !race

package poller

import (
	"syscall"
	"unsafe"
)

// The calls of a non-blocking socket return at once, so the scheduler need not
// know of them.

func read(fd int, p []byte) (int, syscall.Errno) { return call(sysReceive, fd, p, 0) }

func write(fd int, p []byte) (int, syscall.Errno) { return call(sysSend, fd, p, syscall.MSG_NOSIGNAL) }

func call(trap uintptr, fd int, p []byte, flags uintptr) (int, syscall.Errno) {
	n, _, errno := syscall.RawSyscall6(trap, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), flags, 0, 0)
	return int(n), errno
}

func releaseRace() {}
