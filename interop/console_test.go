//go:build interop

package interop

import (
	"context"
	"fmt"
	"net/http"
	"slices"
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

// What the server is for: a page goes offline, a back end publishes, the page comes
// back and shows each missed message once and in order; over every transport.
func TestConsoleRecovers(t *testing.T) {
	addr := freeAddr(t)
	start(t, addr, ropewalk, "serve", "--dev", "--listen", addr)
	forEachBrowser(t, func(t *testing.T, b *browser) {
		w := b.open("http://" + addr + "/")
		w.waitOnline()
		channel := "recovery-" + strings.ToLower(t.Name()[strings.LastIndex(t.Name(), "/")+1:])
		w.fill("#channel", channel)
		w.click("#subscribe")
		w.waitSubscribed(channel)
		var want []shown
		see := func(mark, text string) {
			want = append(want, shown{mark, text})
			w.wait(fmt.Sprintf(`document.querySelectorAll("#messages [data-offset]").length >= %d`, len(want)))
		}
		for i, transport := range []string{"", "sse", "stream", "poll", "websocket"} {
			w.choose("#transport", transport)
			w.choose("#encoding", []string{"json", "protobuf"}[i%2])
			w.waitOnline()
			w.waitSubscribed(channel)
			live := "live over " + transport
			publishTo(t, addr, channel, live)
			see("", live)

			w.click("#offline")
			w.wait(`document.getElementById("state").dataset.state === "offline"`)
			missed := make([]string, 5)
			for i := range missed {
				missed[i] = fmt.Sprintf("%d missed over %s", i, transport)
				publishTo(t, addr, channel, missed[i])
			}
			w.click("#offline")
			for _, m := range missed {
				see("recovered", m)
			}
			w.waitSubscribed(channel)
			if got := w.publications(); !slices.Equal(got, want) {
				t.Fatalf("over %q the page shows %v, want %v", transport, got, want)
			}
		}
	})
}

// The page fits a phone and a desk, in light and in dark.
func TestConsoleLooks(t *testing.T) {
	addr := freeAddr(t)
	start(t, addr, ropewalk, "serve", "--dev", "--listen", addr)
	for _, kind := range browsers {
		for _, scheme := range []string{"light", "dark"} {
			t.Run(kind.name+" "+scheme, func(t *testing.T) {
				b := launchWith(t, kind.driver, tool(t, kind.program), map[string]any{"prefs": map[string]any{
					"layout.css.prefers-color-scheme.content-override": map[string]int{"dark": 0, "light": 1}[scheme],
				}})
				w := b.open("http://" + addr + "/")
				emulated := scheme
				if kind.driver == "firefox" {
					emulated = "" // told at launch
				}
				w.do("look", map[string]any{"width": 1280, "height": 900, "scheme": emulated}, nil)
				w.waitOnline()
				w.showAll(t, addr)
				for _, size := range []struct {
					name          string
					width, height int
				}{{"phone", 390, 844}, {"desktop", 1280, 900}} {
					w.do("look", map[string]any{"width": size.width, "height": size.height, "scheme": emulated}, nil)
					w.wait(fmt.Sprintf(`innerWidth === %d`, size.width))
					var overflows bool
					w.run(`return document.documentElement.scrollWidth > innerWidth`, &overflows)
					if overflows {
						t.Errorf("on a %s the page is wider than the window", size.name)
					}
					w.screenshot(fmt.Sprintf("console-%s-%s-%s", strings.ToLower(kind.name), size.name, scheme))
				}
				var dark bool
				w.run(`return matchMedia("(prefers-color-scheme: dark)").matches`, &dark)
				if dark != (scheme == "dark") {
					t.Errorf("the page is dark: %v, want %s", dark, scheme)
				}
			})
		}
	}
}

// showAll brings something into every part of the page.
func (w *window) showAll(t *testing.T, addr string) {
	for _, name := range []string{"tides", "news", "weather.*"} {
		w.fill("#channel", name)
		w.click("#subscribe")
		w.waitSubscribed(name)
	}
	publishTo(t, addr, "tides", "high water at noon")
	publishTo(t, addr, "weather.north", "wind from the north-west, 7 to 8, later 9")
	w.wait(`document.querySelectorAll("#messages [data-offset]").length >= 2`)
	w.wait(`document.querySelector("#presence [data-client]") !== null`)
	w.click("#wire-panel summary")
	w.click("#offline")
	w.wait(`document.getElementById("state").dataset.state === "offline"`)
	publishTo(t, addr, "tides", "low water at six")
	w.click("#offline")
	w.wait(`document.querySelector('#messages [data-mark="recovered"]') !== null`)
	w.waitSubscribed("tides")
	w.wait(`document.querySelectorAll("#wire li").length > 5`)
	w.wait(`document.querySelector("#presence [data-client]") !== null`)
	w.wait(`document.getElementById("latency").textContent.endsWith(" ms")`)
}

// The page is usable with the keyboard alone: from the top, Tab leads to everything.
func TestConsoleByKeyboard(t *testing.T) {
	addr := freeAddr(t)
	start(t, addr, ropewalk, "serve", "--dev", "--listen", addr)
	forEachBrowser(t, func(t *testing.T, b *browser) {
		w := b.open("http://" + addr + "/")
		w.waitOnline()
		w.press("#channel", "Enter")
		w.waitSubscribed("news")
		w.press("#data", "Control+Enter")
		w.wait(`document.querySelectorAll("#messages [data-offset]").length === 1`)
		w.press("#offline", " ")
		w.wait(`document.getElementById("state").dataset.state === "offline"`)
		w.press("#offline", " ")
		w.waitOnline()
		var reached []string
		w.do("tab", map[string]any{"times": 14}, &reached)
		for _, want := range []string{"transport", "encoding", "offline", "channel", "subscribe", "latest", "data", "publish", "clear", "messages"} {
			if !slices.Contains(reached, want) {
				t.Errorf("Tab leads to %v, want %s among them", reached, want)
			}
		}
	})
}

func (w *window) waitOnline() {
	w.b.t.Helper()
	w.wait(`document.getElementById("state").dataset.state === "online"`)
}

func (w *window) waitSubscribed(channel string) {
	w.b.t.Helper()
	w.wait(fmt.Sprintf(`document.querySelector('#subscriptions [data-channel=%q][data-live="true"]') !== null`, channel))
}

// choose chooses an option of a select.
func (w *window) choose(selector, value string) {
	w.b.t.Helper()
	w.do("choose", map[string]any{"selector": selector, "value": value}, nil)
}

// press presses a key on an element, with Control held for "Control+Enter".
func (w *window) press(selector, key string) {
	w.b.t.Helper()
	w.do("press", map[string]any{"selector": selector, "key": key}, nil)
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
	publishTo(t, addr, channel, text)
}

func publishTo(t *testing.T, addr, channel, text string) {
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
