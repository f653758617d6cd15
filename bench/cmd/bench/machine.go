//go:build linux

package main

import (
	"fmt"
	"io"
	"os/exec"
	"strings"

	"github.com/seed-15847954/ropewalk/bench/peer"
)

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
