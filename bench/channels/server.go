//go:build linux

package channels

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/seed-15847954/ropewalk/bench/peer"
)

// A Server is one that takes part, with the dialect that is spoken to it.
type Server struct {
	Name    string // in tables and on the command line
	Version string // of its library; of ours, nothing
	Dialect Dialect

	dir  string   // below bench/servers
	args []string // what it is called with
	node bool     // it is written in JavaScript

	// Path is the built program. Where there is none, Absent says why.
	Path   string
	Absent string
}

// Title returns the name with that of the dialect.
func (s Server) Title() string { return s.Name + ", " + s.Dialect.Name }

// ours reports whether the server is the one of this tree.
func (s Server) ours() bool { return s.dir == "serve" }

// All returns every server with each of its dialects.
func All() []Server {
	const library, npm = "v0.40.1", "4.8.4"
	return []Server{
		{Name: "ropewalk", Dialect: ropewalkJSON, dir: "serve"},
		{Name: "ropewalk", Dialect: ropewalkProtobuf, dir: "serve"},
		{Name: "Centrifuge", Version: library, Dialect: centrifugeJSON, dir: "centrifuge"},
		{Name: "Centrifuge", Version: library, Dialect: centrifugeProtobuf, dir: "centrifuge"},
		{Name: "Centrifuge tuned", Version: library, Dialect: centrifugeJSON, dir: "centrifuge", args: []string{"-tuned"}},
		{Name: "Socket.IO", Version: npm, Dialect: socketIO, dir: "socketio", node: true},
	}
}

// Build builds the servers into dir and sets their Path, or Absent where one that is
// not written in Go cannot be built on this machine.
func Build(servers []Server, dir string) error {
	root, err := peer.ModuleRoot()
	if err != nil {
		return err
	}
	for i := range servers {
		s := &servers[i]
		s.Path = filepath.Join(dir, s.dir)
		if _, err := os.Stat(s.Path); err == nil {
			continue // built for another dialect
		}
		source := filepath.Join(root, "servers", s.dir)
		cmd := exec.Command("go", "build", "-o", s.Path, ".")
		if s.node {
			cmd = exec.Command("sh", "build", s.Path)
		}
		cmd.Dir = source
		if !s.ours() {
			cmd.Env = append(os.Environ(), "GOWORK=off") // a module of its own, see its go.mod
		}
		out, err := cmd.CombinedOutput()
		if err != nil && !s.node {
			return fmt.Errorf("build %s: %w\n%s", s.dir, err, out)
		}
		if err != nil {
			_ = os.Remove(s.Path)
			s.Path, s.Absent = "", strings.TrimSpace(string(out))
		}
	}
	return nil
}
