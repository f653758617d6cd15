//go:build interop

package interop

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-15847954/ropewalk/websocket"
)

// `ropewalk echo` behind a proxy answers what it would without one.
func TestProxyEcho(t *testing.T) {
	forEachProxy(t, func(t *testing.T, front func(*testing.T, string, int) string) {
		addr := front(t, startEcho(t, "--compress"), patient)
		c, resp, err := websocket.Dial(t.Context(), "ws://"+addr, &websocket.DialOptions{Compression: &websocket.Compression{}})
		if err != nil {
			t.Fatalf("Dial through the proxy: %v", err)
		}
		defer c.CloseNow()
		if got := resp.Header.Get("Sec-Websocket-Extensions"); !strings.HasPrefix(got, "permessage-deflate") {
			t.Errorf("the answer names %q, want permessage-deflate", got)
		}
		for _, m := range messages() {
			checkEcho(t, c, m)
		}
		if err := c.Close(websocket.CloseNormal, "done"); err != nil {
			t.Errorf("Close through the proxy = %v, want nil", err)
		}
	})
}

// RFC 6455, section 7: a proxy hands on the code and the reason of both sides.
func TestProxyClosing(t *testing.T) {
	forEachProxy(t, func(t *testing.T, front func(*testing.T, string, int) string) {
		srv := newAcceptor(t, nil)
		addr := front(t, strings.TrimPrefix(srv.url, "ws://"), patient)
		for _, want := range endings {
			for _, by := range []websocket.Role{websocket.Server, websocket.Client} {
				t.Run(fmt.Sprintf("%d %.5s by %v", want.Code, want.Reason, by), func(t *testing.T) {
					near, far := connectThrough(t, addr, srv)
					if by == websocket.Server {
						near, far = far, near
					}
					seen := make(chan error, 1)
					go func() {
						_, _, err := far.Read(t.Context())
						seen <- err
					}()
					if err := near.Close(want.Code, want.Reason); err != nil {
						t.Errorf("Close = %v, want nil", err)
					}
					checkEnding(t, <-seen, want)
				})
			}
		}
	})
}

// connectThrough dials srv through the proxy at addr and returns both ends.
func connectThrough(t *testing.T, addr string, srv *acceptor) (client, server *websocket.Conn) {
	t.Helper()
	client, _, err := websocket.Dial(t.Context(), "ws://"+addr, nil)
	if err != nil {
		t.Fatalf("Dial through the proxy: %v", err)
	}
	t.Cleanup(func() { _ = client.CloseNow() })
	return client, srv.next(t)
}

// Without keepalive a proxy cuts a connection on which nothing moves; a server's
// Pings keep it. The peer counts more of them than fit into the proxy's timeout.
func TestProxyKeepAlive(t *testing.T) {
	const (
		idleSeconds = 1
		interval    = 250 * time.Millisecond
		enough      = 3*int(idleSeconds*time.Second/interval) + 1
	)
	forEachProxy(t, func(t *testing.T, front func(*testing.T, string, int) string) {
		t.Run("without", func(t *testing.T) {
			srv := newAcceptor(t, &websocket.AcceptOptions{KeepAlive: websocket.KeepAlive{Interval: -1}})
			client, server := connectThrough(t, front(t, backendOf(srv), idleSeconds), srv)
			stop := readInBackground(server)
			defer stop()
			var closed *websocket.CloseError
			if _, _, err := client.Read(t.Context()); !errors.As(err, &closed) || closed.Code != websocket.CloseAbnormal {
				t.Errorf("Read() on an idle connection = %v, want close code 1006", err)
			}
		})
		t.Run("with", func(t *testing.T) {
			srv := newAcceptor(t, &websocket.AcceptOptions{KeepAlive: websocket.KeepAlive{Interval: interval}})
			p := peers[0].start(t)
			p.dial("ws://"+front(t, backendOf(srv), idleSeconds), nil)
			server := srv.next(t)
			m := message{websocket.Text, []byte("still here")}
			stop := readInBackground(server)
			for range enough {
				p.do("pinged", nil, nil)
			}
			stop()
			checkToPeer(t, server, p, m)
			checkFromPeer(t, server, p, m, m.data)
		})
	})
}

func backendOf(a *acceptor) string { return strings.TrimPrefix(a.url, "ws://") }

// refusals are opening handshakes that the server turns down, as a request
// without its empty last line, and the status of the answer.
var refusals = []struct {
	name, request string
	status        int
}{
	{"later version", upgrade("GET /", "Sec-WebSocket-Version: 99"), http.StatusUpgradeRequired},
	{"impossible version", upgrade("GET /", "Sec-WebSocket-Version: 777"), http.StatusBadRequest},
	{"other origin", upgrade("GET /", "Sec-WebSocket-Version: 13", "Origin: http://evil.example"), http.StatusForbidden},
	{"POST", upgrade("POST /", "Sec-WebSocket-Version: 13", "Content-Length: 0"), http.StatusMethodNotAllowed},
	{"broken key", strings.Replace(upgrade("GET /", "Sec-WebSocket-Version: 13"), "==", "", 1), http.StatusBadRequest},
}

func upgrade(start string, headers ...string) string {
	return start + " HTTP/1.1\r\nHost: ropewalk.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" + strings.Join(headers, "\r\n") + "\r\n"
}

// A proxy that takes any answer to an Upgrade for the start of a tunnel hands
// the client's next bytes to the server unseen, and so past the proxy's own
// rules. After a refusal nothing that was pipelined behind the handshake may
// reach the server as a request: not through a proxy, and not when it comes
// straight to the server, as from a proxy that tunnels.
//
// Security 25.
func TestProxyRefusedUpgradeLeavesNoTunnel(t *testing.T) {
	forEachProxy(t, func(t *testing.T, front func(*testing.T, string, int) string) {
		addr, reached := newVault(t)
		checkRefusals(t, front(t, addr, patient), reached)
	})
	t.Run("straight", func(t *testing.T) {
		addr, reached := newVault(t)
		checkRefusals(t, addr, reached)
	})
}

// newVault starts a server that accepts WebSocket on / and has a page /internal,
// which no proxy lets through. reached counts the requests for it.
func newVault(t *testing.T) (addr string, reached *atomic.Int32) {
	reached = new(atomic.Int32)
	mux := http.NewServeMux()
	mux.HandleFunc("/internal", func(http.ResponseWriter, *http.Request) { reached.Add(1) })
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if c, err := websocket.Accept(w, r, nil); err == nil {
			_ = c.CloseNow()
		}
	})
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return srv.Listener.Addr().String(), reached
}

func checkRefusals(t *testing.T, addr string, reached *atomic.Int32) {
	for _, r := range refusals {
		t.Run(r.name, func(t *testing.T) {
			first, rest := pipeline(t, addr, r.request+"\r\nGET /internal HTTP/1.1\r\nHost: ropewalk.example\r\nConnection: close\r\n\r\n")
			if first != r.status {
				t.Errorf("status of the refusal = %d, want %d", first, r.status)
			}
			// A proxy may answer the second request itself, with its own refusal.
			if rest != 0 && rest != http.StatusForbidden {
				t.Errorf("status of the pipelined request = %d, want none or 403", rest)
			}
			if n := reached.Load(); n != 0 {
				t.Errorf("%d pipelined requests reached the server, want none", n)
			}
		})
	}
}

// pipeline sends text and returns the status of the first answer, and of the
// second or 0. It returns when the other side has closed the connection.
func pipeline(t *testing.T, addr, text string) (first, second int) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(stepTimeout)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(c)
	return status(t, r), status(t, r)
}

// status reads one answer and returns its status, or 0 when there is none.
func status(t *testing.T, r *bufio.Reader) int {
	t.Helper()
	resp, err := http.ReadResponse(r, nil)
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
		return 0
	}
	if err != nil {
		t.Logf("no further answer: %v", err)
		return 0
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Logf("body of the answer: %v", err)
	}
	return resp.StatusCode
}
