//go:build linux

// Package machine tells of the machine that figures come from.
package machine

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
)

// Describe writes what the figures depend on besides the peers.
func Describe(w io.Writer) {
	fmt.Fprintf(w, "- Machine: %s, %d CPUs, %s/%s, Linux %s, %s.\n",
		processor(), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, kernel(), runtime.Version())
}

// kernel returns the version of Linux.
func kernel() string {
	b, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return "of an unknown version"
	}
	return strings.TrimSpace(string(b))
}

// processor returns the name of the processor, where Linux gives it.
func processor() string {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return "unknown processor"
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if key, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown processor"
}

// LoadAverage returns how many programs were ready to run on the average of the
// last minute, where Linux tells.
func LoadAverage() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	load, _, _ := strings.Cut(string(b), " ")
	return load
}
