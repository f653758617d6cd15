//go:build linux

package peer

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Build builds the peers into dir and sets their Path, or Absent where a peer
// that is not written in Go cannot be built on this machine. If race, those
// written in Go have the race detector in them.
func Build(peers []Peer, dir string, race bool) error {
	root, err := ModuleRoot()
	if err != nil {
		return err
	}
	for i := range peers {
		p := &peers[i]
		p.Path = filepath.Join(dir, p.dir)
		if _, err := os.Stat(p.Path); err == nil {
			continue // built for another peer that is the same program
		}
		source := filepath.Join(root, "servers", p.dir)
		if p.Foreign {
			if err := run(source, "sh", "build", p.Path); err != nil {
				p.Path, p.Absent = "", err.Error()
			}
			continue
		}
		args := []string{"build", "-o", p.Path}
		if race && !p.Racy {
			args = append(args, "-race")
		}
		if err := run(source, "go", append(args, ".")...); err != nil {
			return fmt.Errorf("build %s: %w", p.dir, err)
		}
	}
	return nil
}

// ModuleRoot returns the folder of the bench module.
func ModuleRoot() (string, error) {
	const module = "github.com/seed-15847954/ropewalk/bench"
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	root := strings.TrimSpace(string(out))
	if err != nil || root == "" {
		return "", fmt.Errorf("the folder of %s is not known, run this in its tree: %w", module, err)
	}
	return root, nil
}

// run calls a program in dir. Its error is the first line that the program printed
// of an error, or the last one.
func run(dir, name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if text := strings.TrimSpace(out.String()); err != nil && text != "" {
		lines := strings.Split(text, "\n")
		for _, line := range lines {
			if strings.Contains(line, "error") {
				return errors.New(line)
			}
		}
		return errors.New(lines[len(lines)-1])
	}
	return err
}
