package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// A module is one of the workspace.
type module struct {
	name string // short: the directory, or "root"
	dir  string // relative to the working directory
}

// workspace lists the modules that go.work joins, the libraries before what
// stands on them.
func workspace() ([]module, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return nil, fmt.Errorf("test: list the modules of go.work: %w", err)
	}
	top, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	var nested, root []module
	for dir := range strings.Lines(string(out)) {
		rel, err := filepath.Rel(top, strings.TrimSpace(dir))
		if err != nil {
			return nil, err
		}
		if rel == "." {
			root = append(root, module{name: "root", dir: rel})
		} else {
			nested = append(nested, module{name: rel, dir: rel})
		}
	}
	return append(nested, root...), nil
}

// goCommand is the go command, to be run in the module.
func (m module) goCommand(args ...string) *exec.Cmd {
	cmd := exec.Command("go", args...)
	cmd.Dir = m.dir
	return cmd
}

// packages lists the import paths of m's packages.
func (m module) packages() ([]string, error) {
	out, err := m.goCommand("list", "./...").CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("list the packages of %s: %w\n%s", m.name, err, out)
	}
	return strings.Fields(string(out)), nil
}

// vet runs go vet in every module, and looks for files that gofmt would change.
func vet(modules []module) []result {
	var all []result
	for _, m := range modules {
		r := result{name: "vet " + m.name}
		out, err := m.goCommand("vet", "-tags", "interop", "./...").CombinedOutput()
		r.judge(err == nil, string(out))
		r.show()
		all = append(all, r)
	}
	r := result{name: "gofmt"}
	// Tracked and new files, but nothing that git ignores.
	list := exec.Command("sh", "-c", "git ls-files -co --exclude-standard '*.go' | xargs gofmt -l")
	out, err := list.CombinedOutput()
	r.judge(err == nil && len(out) == 0, "gofmt would change:\n"+string(out))
	r.show()
	return append(all, r)
}
