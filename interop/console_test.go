//go:build interop

package interop

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// Two windows on the page of `ropewalk serve --dev` see each other's messages
// and a back end's, and come back by themselves when the server has restarted.
func TestConsole(t *testing.T) {
	forEachBrowser(t, func(t *testing.T, b *browser) {
		addr := freeAddr(t)
		serve := []string{"serve", "--dev", "--listen", addr}
		server := start(t, addr, ropewalk, serve...)
		windows := openConsole(b, addr)
		windows.cross("in the first life")
		publishOverHTTP(t, addr, "from a back end")
		windows.waitMessage("from a back end")
		windows.screenshot(t, "console")

		stop(t, server)
		if err := server.Wait(t.Context()); err != nil {
			t.Errorf("serve ends on SIGTERM with %v, want exit code 0", err)
		}
		windows.wait(`document.getElementById("state").dataset.state === "offline"`)
		windows.screenshot(t, "console-offline")

		start(t, addr, ropewalk, serve...)
		windows.waitLive()
		windows.cross("in the second life")
		windows.screenshot(t, "console-again")
	})
}

// The same page behind a proxy.
func TestConsoleBehindProxy(t *testing.T) {
	forEachProxy(t, func(t *testing.T, front func(*testing.T, string, int) string) {
		backend := freeAddr(t)
		start(t, backend, ropewalk, "serve", "--dev", "--listen", backend)
		b := launch(t, browsers[0].driver, tool(t, browsers[0].program))
		openConsole(b, front(t, backend, patient)).cross("through a proxy")
	})
}

const channel = "tides"

// console is the page in two windows.
type console [2]*window

// openConsole opens the page twice and subscribes both to channel.
func openConsole(b *browser, addr string) console {
	b.t.Helper()
	var c console
	for i := range c {
		c[i] = b.open("http://" + addr + "/")
		c[i].wait(`document.getElementById("state").dataset.state === "online"`)
		c[i].fill("#channel", channel)
		c[i].click("#subscribe")
	}
	c.waitLive()
	c.wait(`document.getElementById("latency").textContent.endsWith(" ms")`)
	return c
}

// wait waits until js is true in both windows.
func (c console) wait(js string) {
	c[0].b.t.Helper()
	for _, w := range c {
		w.wait(js)
	}
}

// waitLive waits until both windows are connected and subscribed.
func (c console) waitLive() {
	c[0].b.t.Helper()
	c.wait(`document.getElementById("state").dataset.state === "online"`)
	c.wait(fmt.Sprintf(`document.querySelector('#subscriptions [data-channel=%q][data-live="true"]') !== null`, channel))
}

// waitMessage waits until both windows show text exactly once.
func (c console) waitMessage(text string) {
	c[0].b.t.Helper()
	c.wait(fmt.Sprintf(`[...document.querySelectorAll("#messages .data")].filter((m) => m.textContent === %q).length === 1`, text))
}

// cross publishes in each window and waits for the message in both.
func (c console) cross(text string) {
	c[0].b.t.Helper()
	for i, w := range c {
		m := fmt.Sprintf("window %d %s", i+1, text)
		w.fill("#data", m)
		w.click("#publish")
		c.waitMessage(m)
	}
}

// screenshot keeps a picture of both windows.
func (c console) screenshot(t *testing.T, name string) {
	t.Helper()
	kind := strings.ToLower(t.Name()[strings.LastIndex(t.Name(), "/")+1:])
	for i, w := range c {
		w.screenshot(fmt.Sprintf("%s-%s-%d", name, kind, i+1))
	}
}

// publishOverHTTP publishes as a back end does.
func publishOverHTTP(t *testing.T, addr, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), stepTimeout)
	defer cancel()
	body := fmt.Sprintf(`{"channel":%q,"data":%q}`, channel, text)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+"/api/publish", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("POST /api/publish = %s, want 200 OK", resp.Status)
	}
}
