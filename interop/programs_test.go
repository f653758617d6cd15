//go:build interop

package interop

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/seed-15847954/ropewalk/interop/process"
	"github.com/seed-15847954/ropewalk/proof/service"
)

// ropewalk is the program under test, built once by TestMain.
var ropewalk string

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "ropewalk-interop-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	ropewalk = filepath.Join(dir, "ropewalk")
	build := exec.Command("go", "build", "-o", ropewalk, "../cmd/ropewalk")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build ../cmd/ropewalk: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// tool returns the path of a program that the tests need.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is missing: run scripts/interop-deps", name)
	}
	return path
}

// start starts a program and stops it when the test ends. It listens on addr
// when start returns.
func start(t *testing.T, addr, program string, args ...string) *process.Process {
	t.Helper()
	p, err := process.Start(exec.Command(program, args...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, p) })
	ctx, cancel := context.WithTimeout(context.Background(), stepTimeout)
	defer cancel()
	if err := p.Ready(ctx, addr); err != nil {
		t.Fatal(err)
	}
	return p
}

func startLines(t *testing.T, cmd *exec.Cmd) *process.Lines {
	t.Helper()
	l, err := process.StartLines(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, l.Process) })
	return l
}

func stop(t *testing.T, p *process.Process) {
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
	if t.Failed() && p.Output() != "" {
		t.Log(p.Output())
	}
}

func freeAddr(t *testing.T) string {
	t.Helper()
	addr, err := service.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

// startEcho runs `ropewalk echo` and returns its address.
func startEcho(t *testing.T, flags ...string) string {
	t.Helper()
	addr := freeAddr(t)
	start(t, addr, ropewalk, append([]string{"echo", "--addr", addr}, flags...)...)
	return addr
}
