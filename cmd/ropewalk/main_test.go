package main

import (
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

// scratch is a directory for the whole run.
var scratch string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "ropewalk-cmd-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	scratch = dir
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		_ = os.RemoveAll(dir) // a leftover in the directory for temporary files
		os.Exit(code)
	}))
}

// build makes the program as it is released, once.
var build = sync.OnceValues(func() (string, error) {
	path := filepath.Join(scratch, "ropewalk")
	cmd := exec.Command("go", "build", "-trimpath", "-o", path, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})

func program(t *testing.T) string {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// The program needs no library of the machine and names no directory of it.
func TestStaticBuild(t *testing.T) {
	path := program(t)
	out, err := exec.Command(path, "version").Output()
	if want := runtime.Version(); err != nil || !strings.Contains(string(out), want) {
		t.Errorf("version = %q, %v, want the Go version %s in it", out, err, want)
	}
	if runtime.GOOS != "linux" {
		return // other systems have no ELF files
	}
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if libraries, err := f.ImportedLibraries(); err == nil && len(libraries) > 0 {
		t.Errorf("the program needs %v, want nothing", libraries)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(b), here) {
		t.Errorf("the program names the directory %s it was built in", here)
	}
}

// runProgram runs the program to its end.
func runProgram(t *testing.T, args ...string) (code int, out, complaints string) {
	t.Helper()
	var o, e strings.Builder
	cmd := exec.Command(program(t), args...)
	cmd.Stdout, cmd.Stderr = &o, &e
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), o.String(), e.String()
}
