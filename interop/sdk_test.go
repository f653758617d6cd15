//go:build interop

package interop

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const (
	sdk     = "../sdk/js"
	mostSDK = 15 << 10 // bytes
)

// node runs a command in the directory of the client for JavaScript and returns what
// it printed.
func node(t *testing.T, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), tool(t, name), args...)
	cmd.Dir = sdk
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
	return string(out)
}

var tapSkip = regexp.MustCompile(`(?m)^# skipped [1-9]|^# pass 0$`)

// The client builds, is as small as promised, and passes its own tests. The page's copy
// is what it builds to.
func TestSDK(t *testing.T) {
	node(t, nil, "npm", "run", "--silent", "build")
	built, err := os.ReadFile(filepath.Join(sdk, "dist", "ropewalk.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join("..", "console", "page", "ropewalk.js"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(built, page) {
		t.Error("console/page/ropewalk.js is not what sdk/js builds to: run `npm run console` in sdk/js")
	}
	if len(built) > mostSDK {
		t.Errorf("the minified client has %d bytes, want %d at most", len(built), mostSDK)
	}
	out := node(t, nil, "node", "--test", "--test-reporter=tap", "test/")
	if skipped := tapSkip.FindString(out); skipped != "" {
		t.Errorf("node --test says %q:\n%s", skipped, out)
	}
}

// Every command works over every transport in both encodings, in Node.
func TestSDKInNode(t *testing.T) {
	node(t, nil, "npm", "run", "--silent", "build")
	addr := freeAddr(t)
	start(t, addr, ropewalk, "serve", "--dev", "--listen", addr)
	out := node(t, []string{"ROPEWALK=http://" + addr}, "node", "--test", "--test-reporter=tap", "live/")
	if skipped := tapSkip.FindString(out); skipped != "" {
		t.Errorf("node --test says %q:\n%s", skipped, out)
	}
}

// The same in browsers, with the page's copy of the client.
func TestSDKInBrowsers(t *testing.T) {
	addr := freeAddr(t)
	start(t, addr, ropewalk, "serve", "--dev", "--listen", addr)
	scenario, err := os.ReadFile(filepath.Join(sdk, "live", "scenario.js"))
	if err != nil {
		t.Fatal(err)
	}
	script := strings.ReplaceAll(string(scenario), "\nexport ", "\n")
	forEachBrowser(t, func(t *testing.T, b *browser) {
		w := b.open("http://" + addr + "/")
		var ways [][2]string
		w.run(script+`; return ways;`, &ways)
		for _, way := range ways {
			t.Run(way[0]+" "+way[1], func(t *testing.T) {
				var steps []string
				w.with(t).run(script+`
					const { Ropewalk } = await import("/ropewalk.js");
					const [transport, encoding] = `+toJSON(t, way)+`;
					return scenario({ Ropewalk, url: location.origin, transport, encoding });`, &steps)
				if len(steps) < 15 {
					t.Errorf("the steps were %v, want all", steps)
				}
			})
		}
	})
}

// publications returns the messages that the page shows, as channel's marks and texts.
func (w *window) publications() []shown {
	w.b.t.Helper()
	var text string
	w.run(`return JSON.stringify([...document.querySelectorAll("#messages [data-offset]")].map((line) => ({
		mark: line.dataset.mark ?? "", text: line.querySelector(".data").textContent })))`, &text)
	var all []shown
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		w.b.t.Fatal(err)
	}
	return all
}

type shown struct{ Mark, Text string }
