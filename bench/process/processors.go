//go:build linux

package process

import (
	"fmt"
	"os"
	"strconv"
	"syscall"
	"unsafe"
)

// Processors are those that a process or a thread may run on: bit i%64 of word
// i/64 stands for processor i.
type Processors []uint64

const words = 16

// One returns the set of processor i alone.
func One(i int) Processors { return Set([]int{i}) }

// Set returns the set of those processors.
func Set(numbers []int) Processors {
	p := make(Processors, words)
	for _, i := range numbers {
		p[i/64] |= 1 << (i % 64)
	}
	return p
}

// Available returns the numbers of the processors that this process may use.
func Available() ([]int, error) {
	p, err := affinity()
	if err != nil {
		return nil, err
	}
	var numbers []int
	for i := range words * 64 {
		if p[i/64]>>(i%64)&1 == 1 {
			numbers = append(numbers, i)
		}
	}
	return numbers, nil
}

// Keep has all threads of this process, those to come too, run on p alone.
func Keep(p Processors) error {
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, thread := range threads {
		id, err := strconv.Atoi(thread.Name())
		if err != nil {
			return err
		}
		if err := setAffinity(id, p); err != nil && err != syscall.ESRCH {
			return fmt.Errorf("bind a thread to a processor: %w", err)
		}
	}
	return nil
}

func affinity() (Processors, error) {
	p := make(Processors, words)
	_, _, errno := syscall.RawSyscall(syscall.SYS_SCHED_GETAFFINITY, 0, words*8, uintptr(unsafe.Pointer(&p[0])))
	if errno != 0 {
		return nil, errno
	}
	return p, nil
}

// setAffinity binds a thread, 0 being the calling one.
func setAffinity(thread int, p Processors) error {
	_, _, errno := syscall.RawSyscall(syscall.SYS_SCHED_SETAFFINITY, uintptr(thread), words*8, uintptr(unsafe.Pointer(&p[0])))
	if errno != 0 {
		return errno
	}
	return nil
}
