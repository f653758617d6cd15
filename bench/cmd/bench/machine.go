package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/seed-15847954/ropewalk/bench/library"
)

// describe writes what the figures depend on: the machine, Go, and the version
// and API of each library.
func describe(w io.Writer, libs []library.Library) {
	fmt.Fprintf(w, "- Machine: %s, %d CPUs, %s/%s, %s, GOMAXPROCS=%d.\n",
		processor(), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version(), runtime.GOMAXPROCS(0))
	versions := moduleVersions()
	for _, lib := range libs {
		version := versions[lib.Module]
		if version == "" || version == "(devel)" {
			version = "of this tree"
		}
		fmt.Fprintf(w, "- %s %s: %s.\n", lib.Name, version, lib.API)
	}
}

// moduleVersions returns the version of each module in the program, by its path.
func moduleVersions() map[string]string {
	versions := make(map[string]string)
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			versions[m.Path] = m.Version
		}
	}
	return versions
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

// loadAverage returns how many programs were ready to run on the average of the
// last minute, where Linux tells.
func loadAverage() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	load, _, _ := strings.Cut(string(b), " ")
	return load
}
