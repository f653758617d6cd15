//go:build linux && race

package poller

import "syscall"

// The race detector takes what was done before a Write to have happened before
// what is done after a Read, when both are those of package syscall.

func read(fd int, p []byte) (int, syscall.Errno) { return code(syscall.Read(fd, p)) }

func write(fd int, p []byte) (int, syscall.Errno) { return code(syscall.Write(fd, p)) }

func code(n int, err error) (int, syscall.Errno) {
	if err != nil {
		return 0, err.(syscall.Errno) //nolint:errorlint // Package syscall returns no other error here.
	}
	return n, 0
}

// releaseRace says what a Write says, for a call that package syscall has not.
func releaseRace() { _, _ = syscall.Write(-1, nil) }
