//go:build interop

package interop

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The tutorial's server, page and request do what it says, in every browser: prices
// appear, are there when the page is loaded again, and a restart of the server is told.
func TestTutorialPrices(t *testing.T) {
	text, err := os.ReadFile("../docs/tutorial/prices.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := make(map[string]string)
	for _, m := range regexp.MustCompile("(?s)```(\\w+)\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		blocks[m[1]] = m[2]
	}
	forEachBrowser(t, func(t *testing.T, b *browser) {
		addr, dir := freeAddr(t), t.TempDir()
		pages := httptest.NewServer(http.FileServer(http.Dir(dir)))
		defer pages.Close()
		here := strings.NewReplacer("localhost:8000", addr, "http://localhost:9000", pages.URL)
		for name, kind := range map[string]string{"prices.yaml": "yaml", "index.html": "html", "board.js": "js"} {
			if blocks[kind] == "" {
				t.Fatalf("the tutorial has no %s", kind)
			}
			if err := os.WriteFile(filepath.Join(dir, name), []byte(here.Replace(blocks[kind])), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		publish := func(old ...string) {
			t.Helper()
			command := exec.CommandContext(t.Context(), "sh", "-c", strings.NewReplacer(old...).Replace(here.Replace(blocks["sh"])))
			if out, err := command.CombinedOutput(); err != nil || !strings.Contains(string(out), `"offset"`) {
				t.Fatalf("curl: %s, %v", out, err)
			}
		}
		serve := []string{"serve", "--listen", addr, "--config", filepath.Join(dir, "prices.yaml")}
		server := start(t, addr, ropewalk, serve...)
		w := b.open(pages.URL)
		w.wait(`document.getElementById("state").textContent === "live over websocket"`)
		publish()
		w.wait(`document.getElementById("gold")?.textContent === "gold: 2650.4"`)
		publish("gold", "silver", "2650.4", "30.1")
		publish("2650.4", "2651")
		const both = `document.getElementById("gold")?.textContent === "gold: 2651" &&
			document.getElementById("silver")?.textContent === "silver: 30.1"`
		w.wait(both)
		b.open(pages.URL).wait(both)

		stop(t, server)
		if err := server.Wait(t.Context()); err != nil {
			t.Errorf("serve ends with %v", err)
		}
		start(t, addr, ropewalk, serve...)
		w.wait(`document.getElementById("note").textContent === "Some changes were missed while you were away."`)
		publish("2650.4", "2652")
		w.wait(`document.getElementById("gold").textContent === "gold: 2652"`)
	})
}
