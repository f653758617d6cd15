//go:build interop

package interop

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/seed-15847954/ropewalk/websocket"
)

// newPage serves testdata/socket.html and returns its URL, which is an origin.
func newPage(t *testing.T) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, "testdata/socket.html")
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

// A browser's own WebSocket exchanges messages of both types and many sizes with
// `ropewalk echo`, without and with compression, which browsers offer.
func TestBrowserEcho(t *testing.T) {
	page := newPage(t)
	plain := startEcho(t, "--origin", page)
	compressing := startEcho(t, "--origin", page, "--compress")
	forEachBrowser(t, func(t *testing.T, b *browser) {
		for _, c := range []struct{ name, addr, extensions string }{
			{"plain", plain, ""},
			{"compressed", compressing, "permessage-deflate"},
		} {
			t.Run(c.name, func(t *testing.T) {
				w := b.with(t).open(page)
				var got struct {
					Extensions string
					Wrong      []string
					End        struct {
						Code     int
						Reason   string
						WasClean bool
					}
				}
				w.run(fmt.Sprintf(echoScript, "ws://"+c.addr), &got)
				if !strings.HasPrefix(got.Extensions, c.extensions) || c.extensions == "" && got.Extensions != "" {
					t.Errorf("extensions = %q, want %q", got.Extensions, c.extensions)
				}
				if len(got.Wrong) > 0 {
					t.Errorf("these came back changed: %v", got.Wrong)
				}
				if got.End.Code != 3001 || !got.End.WasClean {
					t.Errorf("the page saw %+v, want a clean end with code 3001", got.End)
				}
			})
		}
	})
}

// echoScript sends each message twice, so that the second may be compressed with
// reference to the first, and closes.
const echoScript = `
	const s = await open(%q);
	const wrong = [];
	for (const text of ["", "hello", "κόσμε ▒ 🪢", "laid ".repeat(200000)]) {
		for (let i = 0; i < 2; i++) {
			s.send(text);
			if (await s.next() !== text) wrong.push("text of " + text.length);
		}
	}
	for (const n of [0, 1, 125, 126, 65535, 65536, 1 << 20]) {
		const data = bytes(n);
		for (let i = 0; i < 2; i++) {
			s.send(data);
			if (!same(await s.next(), data)) wrong.push("binary of " + n);
		}
	}
	s.close(3001, "enough");
	return { extensions: s.extensions, wrong, end: await s.closed };
`

// RFC 6455, section 7: codes and reasons pass between a page and the library.
func TestBrowserClosing(t *testing.T) {
	page := newPage(t)
	forEachBrowser(t, func(t *testing.T, b *browser) {
		srv := newAcceptor(t, &websocket.AcceptOptions{OriginPatterns: []string{page}})
		w := b.open(page)
		// A page may give 1000 and 3000 to 4999 alone.
		for _, want := range []ending{{1000, ""}, {1000, "done"}, {3000, "ταξίδι"}, {4999, strings.Repeat("r", 123)}} {
			t.Run(fmt.Sprintf("%d %.5s by the page", want.Code, want.Reason), func(t *testing.T) {
				w := w.with(t)
				c := w.connect(srv, nil)
				seen := make(chan error, 1)
				go func() {
					_, _, err := c.Read(t.Context())
					seen <- err
				}()
				var clean bool
				w.run(fmt.Sprintf(`s.close(%d, %q); return (await s.closed).wasClean;`, want.Code, want.Reason), &clean)
				if !clean {
					t.Error("the page saw no clean end")
				}
				checkEnding(t, <-seen, want)
			})
		}
		for _, want := range endings {
			t.Run(fmt.Sprintf("%d %.5s by the server", want.Code, want.Reason), func(t *testing.T) {
				w := w.with(t)
				c := w.connect(srv, nil)
				if err := c.Close(want.Code, want.Reason); err != nil {
					t.Errorf("Close(%d, %q) = %v, want nil", want.Code, want.Reason, err)
				}
				var got struct {
					ending
					WasClean bool
				}
				w.run(`return await s.closed;`, &got)
				if got.ending != want || !got.WasClean {
					t.Errorf("the page saw %+v, want a clean %v", got, want)
				}
			})
		}
	})
}

// RFC 6455, section 4.1: a page is given the subprotocol that the server chose.
func TestBrowserSubprotocol(t *testing.T) {
	const want = "chat.v2"
	page := newPage(t)
	forEachBrowser(t, func(t *testing.T, b *browser) {
		srv := newAcceptor(t, &websocket.AcceptOptions{OriginPatterns: []string{page}, Subprotocols: []string{want}})
		w := b.open(page)
		c := w.connect(srv, []string{"chat.v3", want})
		if got := c.Subprotocol(); got != want {
			t.Errorf("Subprotocol() = %q, want %q", got, want)
		}
		var got string
		w.run(`return s.protocol;`, &got)
		if got != want {
			t.Errorf("the page's protocol is %q, want %q", got, want)
		}
	})
}

// A page of another origin is refused unless the server names that origin.
//
// Security 10.
func TestBrowserOtherOriginIsRefused(t *testing.T) {
	allowed, other := newPage(t), newPage(t)
	strict := startEcho(t)
	lenient := startEcho(t, "--origin", allowed)
	forEachBrowser(t, func(t *testing.T, b *browser) {
		for _, c := range []struct {
			name, page, addr, want string
		}{
			{"by default", allowed, strict, "refused"},
			{"not the one named", other, lenient, "refused"},
			{"the one named", allowed, lenient, "open"},
		} {
			t.Run(c.name, func(t *testing.T) {
				var got string
				b.with(t).open(c.page).run(fmt.Sprintf(`return open(%q).then(() => "open", (err) => err.message);`, "ws://"+c.addr), &got)
				if got != c.want {
					t.Errorf("a page at %s is %s by %s, want %s", c.page, got, c.addr, c.want)
				}
			})
		}
	})
}

// connect opens a WebSocket named s in the page and returns the server's end.
func (w *window) connect(srv *acceptor, subprotocols []string) *websocket.Conn {
	w.b.t.Helper()
	if subprotocols == nil {
		subprotocols = []string{}
	}
	w.run(fmt.Sprintf(`window.s = await open(%q, %s);`, srv.url, toJSON(w.b.t, subprotocols)), nil)
	return srv.next(w.b.t)
}
