//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/seed-15847954/ropewalk/bench/peer"
)

// update puts the report into the page on benchmarks, and its head into the README.
func update(report, head string) error {
	root, err := peer.ModuleRoot()
	if err != nil {
		return err
	}
	for name, text := range map[string]string{"docs/reference/benchmarks.md": report, "README.md": head} {
		path := filepath.Join(root, "..", name)
		page, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		changed, err := replace(string(page), text)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := os.WriteFile(path, []byte(changed), 0o644); err != nil {
			return err
		}
	}
	return nil
}

const (
	begin = "<!-- bench: what follows is printed by `make bench` -->\n"
	end   = "<!-- bench: end -->"
)

// replace returns page with text between the two marks.
func replace(page, text string) (string, error) {
	before, rest, ok := strings.Cut(page, begin)
	_, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		return "", fmt.Errorf("there are no marks for the tables")
	}
	return before + begin + "\n" + strings.TrimSpace(text) + "\n\n" + end + after, nil
}
