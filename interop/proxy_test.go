//go:build interop

package interop

import (
	"os"
	"path/filepath"
	"testing"
	"text/template"
)

// proxies are the programs put in front, and how each is told its configuration.
var proxies = []struct {
	name, program, config string
	args                  func(config string) []string
}{
	{"nginx", "nginx", "nginx.conf", func(config string) []string {
		return []string{"-e", "stderr", "-p", filepath.Dir(config), "-c", config}
	}},
	{"HAProxy", "haproxy", "haproxy.cfg", func(config string) []string {
		return []string{"-db", "-f", config}
	}},
}

// patient is an idle timeout, in seconds, that no test waits for.
const patient = 60

// forEachProxy runs test behind every proxy. front starts the proxy before
// backend and returns its address; a connection on which nothing moves for
// idleSeconds is cut by it.
func forEachProxy(t *testing.T, test func(t *testing.T, front func(t *testing.T, backend string, idleSeconds int) string)) {
	for _, kind := range proxies {
		t.Run(kind.name, func(t *testing.T) {
			test(t, func(t *testing.T, backend string, idleSeconds int) string {
				t.Helper()
				addr := freeAddr(t)
				config := configure(t, kind.config, map[string]any{"Addr": addr, "Backend": backend, "IdleSeconds": idleSeconds})
				start(t, addr, tool(t, kind.program), kind.args(config)...)
				return addr
			})
		})
	}
}

// configure fills in testdata/name and returns the path of the result.
func configure(t *testing.T, name string, values map[string]any) string {
	t.Helper()
	dir := t.TempDir()
	values["Dir"] = dir
	tmpl, err := template.ParseFiles(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, name)
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := tmpl.Execute(f, values); err != nil {
		t.Fatal(err)
	}
	return path
}
