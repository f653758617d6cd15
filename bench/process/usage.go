//go:build linux

package process

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

// CPU returns the processor time that the server has used so far, of all its
// threads, in user mode and in the kernel. The kernel counts it in nanoseconds.
func (s *Server) CPU() (time.Duration, error) {
	// The clock that clock_getcpuclockid names: the process's, of all modes.
	const processTime = 2
	var t syscall.Timespec
	_, _, errno := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME,
		uintptr(^int32(s.cmd.Process.Pid)<<3|processTime)&0xffffffff, uintptr(unsafe.Pointer(&t)), 0)
	if errno != 0 {
		return 0, fmt.Errorf("processor time of the server: %w%v", errno, s.errors)
	}
	return time.Duration(t.Nano()), nil
}

// Settle returns when the server has nothing to do any more: when it has used
// less than a millisecond of two tenths of a second.
func (s *Server) Settle() error {
	before, err := s.CPU()
	if err != nil {
		return err
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	timeout := time.After(30 * time.Second)
	for quiet := 0; quiet < 4; quiet++ {
		select {
		case <-tick.C:
		case <-timeout:
			return fmt.Errorf("the server does not come to rest")
		}
		now, err := s.CPU()
		if err != nil {
			return err
		}
		if now-before > 250*time.Microsecond {
			quiet = -1
		}
		before = now
	}
	return nil
}

// Resident returns how many bytes of memory the server occupies: pages shared
// with other processes count in proportion (Pss of smaps_rollup).
func (s *Server) Resident() (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", s.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for lines := bufio.NewScanner(bytes.NewReader(b)); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "Pss:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("smaps_rollup has no Pss")
}
