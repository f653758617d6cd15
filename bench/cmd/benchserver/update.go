//go:build linux

package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/seed-15847954/ropewalk/bench/peer"
)

const (
	begin = "<!-- benchserver: what follows is printed by `make bench-server` -->\n"
	end   = "<!-- benchserver: end -->"
)

// update puts the report into the page on benchmarks of servers, between the marks.
func update(report string) error {
	root, err := peer.ModuleRoot()
	if err != nil {
		return err
	}
	path := filepath.Join(root, "..", "docs", "reference", "benchmarks-server.md")
	page, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(page), begin)
	_, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		return errors.New(path + ": there are no marks for the tables")
	}
	return os.WriteFile(path, []byte(before+begin+"\n"+strings.TrimSpace(report)+"\n\n"+end+after), 0o644)
}
