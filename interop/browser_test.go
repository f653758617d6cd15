//go:build interop

package interop

import (
	"context"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/seed-15847954/ropewalk/interop/process"
)

// stepTimeout bounds one step of a browser or a peer, and the start of a
// program. It is long because a loaded machine is slow; nothing waits it out.
const stepTimeout = 60 * time.Second

// browsers are those that the tests run in: the name that the driver knows, and
// the program.
var browsers = []struct{ name, driver, program string }{
	{"Chromium", "chrome", "chromium"},
	{"Firefox", "firefox", "firefox-esr"},
}

// A browser is one running browser without windows at first.
type browser struct {
	t      *testing.T
	driver *process.Lines
}

// forEachBrowser runs test in every browser, each started afresh.
func forEachBrowser(t *testing.T, test func(t *testing.T, b *browser)) {
	for _, kind := range browsers {
		t.Run(kind.name, func(t *testing.T) {
			test(t, launch(t, kind.driver, tool(t, kind.program)))
		})
	}
}

func launch(t *testing.T, driver, program string) *browser {
	t.Helper()
	return launchWith(t, driver, program, nil)
}

// launchInsecure starts one that takes every certificate, and opens WebSockets over
// HTTP/2.
func launchInsecure(t *testing.T, driver, program string) *browser {
	t.Helper()
	return launchWith(t, driver, program, map[string]any{
		"insecure": true, "prefs": map[string]any{"network.http.http2.websockets": true},
	})
}

func launchWith(t *testing.T, driver, program string, options map[string]any) *browser {
	t.Helper()
	b := &browser{t: t, driver: startLines(t, exec.Command(tool(t, "node"), "browser/driver.cjs"))}
	var got struct{ Version string }
	with := map[string]any{"browser": driver, "path": program, "timeout": stepTimeout.Milliseconds()}
	maps.Copy(with, options)
	b.do("launch", with, &got)
	t.Log(got.Version)
	return b
}

func (b *browser) do(do string, with map[string]any, result any) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*stepTimeout)
	defer cancel()
	if err := b.driver.Do(ctx, do, with, result); err != nil {
		b.t.Fatal(err)
	}
}

// with gives the browser to a subtest.
func (b *browser) with(t *testing.T) *browser { return &browser{t: t, driver: b.driver} }

// A window is one page in a window of its own.
type window struct {
	b    *browser
	page int
}

// open opens url. What the page logs is shown if the test fails.
func (b *browser) open(url string) *window {
	b.t.Helper()
	var got struct{ Page int }
	b.do("open", map[string]any{"url": url, "timeout": stepTimeout.Milliseconds()}, &got)
	w := &window{b: b, page: got.Page}
	b.t.Cleanup(func() {
		if b.t.Failed() {
			w.explain()
		}
	})
	return w
}

// with gives the window to a subtest.
func (w *window) with(t *testing.T) *window { return &window{b: w.b.with(t), page: w.page} }

func (w *window) do(do string, with map[string]any, result any) {
	w.b.t.Helper()
	with["page"] = w.page
	w.b.do(do, with, result)
}

// explain reports what the page logged and shows.
func (w *window) explain() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var log []string
	err := w.b.driver.Do(ctx, "log", map[string]any{"page": w.page}, &log)
	var text string
	_ = w.b.driver.Do(ctx, "run", map[string]any{"page": w.page, "js": "return document.body.innerText"}, &text)
	w.b.t.Logf("window %d logged %q (%v) and shows:\n%s", w.page, log, err, text)
}

func (w *window) fill(selector, text string) {
	w.b.t.Helper()
	w.do("fill", map[string]any{"selector": selector, "text": text}, nil)
}

func (w *window) click(selector string) {
	w.b.t.Helper()
	w.do("click", map[string]any{"selector": selector}, nil)
}

// wait waits until the expression js is true.
func (w *window) wait(js string) {
	w.b.t.Helper()
	w.do("wait", map[string]any{"js": js}, nil)
}

// run runs js as the body of an async function.
func (w *window) run(js string, result any) {
	w.b.t.Helper()
	w.do("run", map[string]any{"js": js}, result)
}

// screenshot keeps a picture of the page under build/interop.
func (w *window) screenshot(name string) {
	w.b.t.Helper()
	path, err := filepath.Abs(filepath.Join("..", "build", "interop", name+".png"))
	if err != nil {
		w.b.t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		w.b.t.Fatal(err)
	}
	w.do("screenshot", map[string]any{"path": path}, nil)
}

// toJSON writes v as JavaScript.
func toJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
