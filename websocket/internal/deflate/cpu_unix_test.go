//go:build unix

package deflate

import (
	"syscall"
	"time"
)

// cpuTime returns the processor time that the process has used so far. On a
// machine that others use too it says more than the clock.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
