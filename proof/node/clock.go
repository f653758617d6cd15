package node

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// clockVariable names the file in which a program of [BuildStepped] finds how many seconds its wall clock is
// ahead, in 8 bytes.
const clockVariable = "ROPEWALK_PROOF_CLOCK"

// The part of package time that a stepped program has besides Go's own, and what it is called.
const (
	clockFile = "proof_clock.go"
	clockCode = `package time

import (
	"sync/atomic"
	"syscall"
	"unsafe"
)

// proofClock is how many seconds the wall clock is ahead.
var proofClock = func() *int64 {
	path, _ := syscall.Getenv("` + clockVariable + `")
	fd, err := syscall.Open(path, syscall.O_RDONLY, 0)
	if err != nil {
		return new(int64)
	}
	defer syscall.Close(fd)
	b, err := syscall.Mmap(fd, 0, 8, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return new(int64)
	}
	return (*int64)(unsafe.Pointer(&b[0]))
}()

func proofAhead() int64 { return atomic.LoadInt64(proofClock) }
`
)

// BuildStepped is Build, and the wall clocks of the program's processes can be stepped: its package time reads a file
// that each of them has. All else of time is as it was; what is measured by the monotonic clock goes on.
func BuildStepped(ctx context.Context, out string) error {
	dir, err := os.MkdirTemp("", "overlay-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	overlay, err := steppedTime(ctx, dir)
	if err != nil {
		return fmt.Errorf("build a stepped ropewalk: %w", err)
	}
	return build(ctx, out, "-overlay", overlay)
}

// steppedTime writes what Go is to build in the place of parts of its package time, and returns the file that says so.
func steppedTime(ctx context.Context, dir string) (string, error) {
	root, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return "", err
	}
	source := filepath.Join(strings.TrimSpace(string(root)), "src", "time")
	code, err := os.ReadFile(filepath.Join(source, "time.go"))
	if err != nil {
		return "", err
	}
	const now = "func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n"
	before, after, ok := strings.Cut(string(code), now)
	if !ok {
		return "", errors.New("time.Now of this Go is not as expected")
	}
	replace := make(map[string]string)
	for name, text := range map[string]string{"time.go": before + now + "\tsec += proofAhead()\n" + after, clockFile: clockCode} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return "", err
		}
		replace[filepath.Join(source, name)] = path
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "overlay.json")
	return path, os.WriteFile(path, text, 0o600)
}

// A clock is the file that says how far a node's wall clock is ahead.
type clock struct{ path string }

func newClock() (clock, error) {
	f, err := os.CreateTemp("", "clock-")
	if err != nil {
		return clock{}, err
	}
	c := clock{f.Name()}
	return c, errors.Join(f.Close(), c.set(0))
}

// set writes in the place of what was there: the file is mapped.
func (c clock) set(ahead time.Duration) error {
	f, err := os.OpenFile(c.path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(binary.NativeEndian.AppendUint64(nil, uint64(ahead/time.Second)), 0) //nolint:gosec // two's complement
	return errors.Join(err, f.Close())
}

// Step has the node's wall clock be ahead from now on, or behind, of what it is on this machine. The program has to
// be one of [BuildStepped].
func (n *Node) Step(ahead time.Duration) error { return n.clock.set(ahead) }
