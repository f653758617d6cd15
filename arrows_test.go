package ropewalk

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	rootModule      = "github.com/seed-15847954/ropewalk"
	websocketModule = rootModule + "/websocket"
	deflateLibrary  = "github.com/klauspost/compress"
)

// floors lists the packages of the root module from the ground up. A package and
// what lies below it in the tree import lower floors alone, and themselves. Tests
// may import any floor: they put the house together to look at one part of it.
var floors = [][]string{
	{"internal/jsonscan"},
	{"hub"},
	{"cluster", "broker/wire", "broker/internal/retain", "proof/service"},
	{"broker/partitioned"},
	{"broker/memory", "broker/redis", "broker/kafka", "broker/rabbitmq", "broker/nats", "broker/brokertest"},
	{"broker/registry"},
	{"auth"},
	{"session"},
	{"hook"},
	{"protocol/native"},
	{"api", "console", "client"},
	{"server"},
	{"cmd/ropewalk"},
	// Tools of the project, which no program contains.
	{".", "internal/conformance", "interop", "proof", "scripts"},
}

// speakers may import package websocket: those that speak it to clients or as
// one. All others know no socket.
var speakers = []string{"protocol/native", "client", "cmd/ropewalk", "interop", "proof"}

// websocketFloors are those of the module websocket, as directories in it.
var websocketFloors = [][]string{
	{"frame", "internal/deflate", "internal/poller"},
	{"internal/protocol", "internal/handshake"},
	{"."},
	{"wsjson", "wstest"},
	{"internal/transcript"}, // for tests
}

// pure packages work on bytes and headers: they open nothing and never look at
// the clock. Handshakes use the types of net/http, and net to parse addresses.
var pure = map[string][]string{
	"frame":              {"net", "net/http", "os", "syscall", "time"},
	"internal/protocol":  {"net", "net/http", "os", "syscall", "context"},
	"internal/deflate":   {"net", "net/http", "os", "syscall", "context", "time"},
	"internal/handshake": {"os", "syscall", "time"},
}

// A goFile is a source file with its imports.
type goFile struct {
	dir     string // of its package, relative to the module, with slashes
	name    string
	imports []string
}

// isTest reports whether f is no part of its package outside tests.
func (f goFile) isTest() bool { return strings.HasSuffix(f.name, "_test.go") }

func TestRootImportsPointDownwards(t *testing.T) {
	for _, f := range goFiles(t, ".") {
		from := floor(floors, f.dir)
		if from < 0 {
			t.Errorf("%s/%s: no floor is known for the package", f.dir, f.name)
			continue
		}
		for _, imported := range f.imports {
			rel, ok := within(rootModule, imported)
			if !ok {
				continue
			}
			if _, ok := within(websocketModule, imported); ok {
				if !f.isTest() && owner(speakers, f.dir) == "" {
					t.Errorf("%s/%s imports %s, want no socket here", f.dir, f.name, imported)
				}
				continue
			}
			if !f.isTest() && !below(floors, f.dir, rel) {
				t.Errorf("%s/%s on floor %d imports %s on floor %d", f.dir, f.name, from, rel, floor(floors, rel))
			}
		}
	}
}

func TestWebsocketImportsPointDownwards(t *testing.T) {
	for _, f := range goFiles(t, "websocket") {
		for _, imported := range f.imports {
			rel, ok := within(websocketModule, imported)
			if ok && !f.isTest() && !below(websocketFloors, f.dir, rel) {
				t.Errorf("websocket/%s/%s imports %s, want a lower floor", f.dir, f.name, rel)
			}
		}
	}
}

// The library depends on the standard library and on one for DEFLATE, in its
// tests too.
func TestWebsocketDependencies(t *testing.T) {
	for _, f := range goFiles(t, "websocket") {
		for _, imported := range f.imports {
			_, own := within(websocketModule, imported)
			_, deflate := within(deflateLibrary, imported)
			if !own && !deflate && !standard(imported) {
				t.Errorf("websocket/%s/%s imports %s", f.dir, f.name, imported)
			}
		}
	}
	list := exec.Command("go", "list", "-m", "-f", "{{.Path}}", "all")
	list.Dir = "websocket"
	list.Env = append(os.Environ(), "GOWORK=off")
	out, err := list.CombinedOutput()
	if got, want := string(out), websocketModule+"\n"+deflateLibrary+"\n"; err != nil || got != want {
		t.Errorf("go list -m all in websocket = %q, %v, want %q", got, err, want)
	}
}

func TestPurePackages(t *testing.T) {
	for _, f := range goFiles(t, "websocket") {
		for _, imported := range f.imports {
			if !f.isTest() && slices.Contains(pure[f.dir], imported) {
				t.Errorf("websocket/%s/%s imports %s", f.dir, f.name, imported)
			}
		}
		if pure[f.dir] == nil || f.isTest() {
			continue
		}
		text, err := os.ReadFile(filepath.Join("websocket", f.dir, f.name))
		if err != nil || strings.Contains(string(text), "time.Now()") {
			t.Errorf("websocket/%s/%s asks what time it is (%v)", f.dir, f.name, err)
		}
	}
}

// A nested module could not be used alone if it imported what is internal to the
// root, or if a replace directive held it together.
func TestNestedModules(t *testing.T) {
	mods, err := filepath.Glob("*/go.mod")
	if err != nil || len(mods) == 0 {
		t.Fatalf("Glob(*/go.mod) = %v, %v", mods, err)
	}
	for _, mod := range mods {
		for _, f := range goFiles(t, filepath.Dir(mod)) {
			for _, imported := range f.imports {
				if _, ok := within(rootModule+"/internal", imported); ok {
					t.Errorf("%s/%s/%s imports %s", filepath.Dir(mod), f.dir, f.name, imported)
				}
			}
		}
	}
	replace := regexp.MustCompile(`(?m)^\s*replace\b`)
	for _, file := range append(mods, "go.mod", "go.work") {
		text, err := os.ReadFile(file)
		if err != nil || replace.Match(text) {
			t.Errorf("%s has a replace directive (%v)", file, err)
		}
	}
}

// goFiles parses the imports of all source files of the module in dir, whatever
// their build tags. Modules inside it are left out.
func goFiles(t *testing.T, dir string) []goFile {
	t.Helper()
	var files []goFile
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != dir && skipped(name):
			return filepath.SkipDir
		case d.IsDir() || filepath.Ext(name) != ".go":
			return nil
		}
		tree, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		f := goFile{dir: path.Dir(filepath.ToSlash(rel)), name: path.Base(filepath.ToSlash(rel))}
		for _, i := range tree.Imports {
			imported, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			f.imports = append(f.imports, imported)
		}
		files = append(files, f)
		return nil
	})
	if err != nil || len(files) == 0 {
		t.Fatalf("goFiles(%q) = %d files, %v", dir, len(files), err)
	}
	return files
}

// skipped reports whether a folder is a module of its own or holds no packages.
func skipped(dir string) bool {
	if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
		return true
	}
	base := filepath.Base(dir)
	return slices.Contains([]string{"build", "bin", "node_modules", "testdata"}, base) || base[0] == '.' || base[0] == '_'
}

// within returns what follows a module's path in an import path; "." for itself.
func within(module, imported string) (string, bool) {
	if imported == module {
		return ".", true
	}
	return strings.CutPrefix(imported, module+"/")
}

// standard reports whether an import path is of the standard library, whose
// first element has no dot.
func standard(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	return !strings.Contains(first, ".")
}

// owner returns the listed package that dir is or lies below, or "".
func owner(packages []string, dir string) string {
	for _, p := range packages {
		if _, ok := within(p, dir); ok {
			return p
		}
	}
	return ""
}

// floor returns the number of a package's floor from the ground, or -1.
func floor(floors [][]string, dir string) int {
	return slices.IndexFunc(floors, func(packages []string) bool { return owner(packages, dir) != "" })
}

// below reports whether package from may import package to.
func below(floors [][]string, from, to string) bool {
	a, b := floor(floors, from), floor(floors, to)
	return b >= 0 && (b < a || b == a && owner(floors[a], from) == owner(floors[b], to))
}

func TestBelow(t *testing.T) {
	tests := []struct {
		from, to string
		want     bool
	}{
		{"session", "hub", true},
		{"hub", "session", false},
		{"hub", "hub/internal/ring", true},
		{"hub", "hubris", false},
		{"api", "console", false},
		{"server", "protocol/native/codec", true},
		{"protocol/native", "cmd/ropewalk", false},
		{"hub", "unheard/of", false},
	}
	for _, test := range tests {
		if got := below(floors, test.from, test.to); got != test.want {
			t.Errorf("below(%q, %q) = %v, want %v", test.from, test.to, got, test.want)
		}
	}
}
