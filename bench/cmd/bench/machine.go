//go:build linux

package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"github.com/seed-15847954/ropewalk/bench/peer"
)

// describeMachine writes what the figures depend on besides the peers.
func describeMachine(w io.Writer) {
	fmt.Fprintf(w, "- Machine: %s, %d CPUs, %s/%s, Linux %s, %s.\n",
		processor(), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, kernel(), runtime.Version())
}

// describePeers writes the version of each library and what of it is used. It
// names the peers that are absent, and why.
func describePeers(w io.Writer, peers []peer.Peer) {
	versions := moduleVersions()
	for _, p := range peers {
		if p.Path == "" {
			fmt.Fprintf(w, "- ABSENT: %s, which could not be built here: %s\n", p.Name, p.Absent)
			continue
		}
		version := ""
		if p.Module != "" {
			version = " " + versions[p.Module]
		}
		fmt.Fprintf(w, "- %s%s: %s.\n", p.Name, version, p.API)
	}
}

// kernel returns the version of Linux.
func kernel() string {
	b, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return "of an unknown version"
	}
	return strings.TrimSpace(string(b))
}

// moduleVersions returns the version of each module that the bench module needs,
// by its path.
func moduleVersions() map[string]string {
	versions := make(map[string]string)
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Path}} {{.Version}}", "all").Output()
	if err != nil {
		return versions // the table says less then
	}
	for line := range strings.Lines(string(out)) {
		path, version, _ := strings.Cut(strings.TrimSpace(line), " ")
		versions[path] = version
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
