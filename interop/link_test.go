//go:build interop

package interop

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/seed-15847954/ropewalk/websocket"
)

// A link is a way to get a connection between the library and a peer.
type link struct {
	role websocket.Role // the library's

	// connect returns the library's side, whose end closes with the test, and
	// the extensions that the answer names.
	connect func(t *testing.T, p *peer, a agreement) (c *websocket.Conn, extensions string)
}

var links = []link{
	{websocket.Server, acceptPeer},
	{websocket.Client, dialPeer},
}

// acceptPeer has the peer dial a server of the library.
func acceptPeer(t *testing.T, p *peer, a agreement) (*websocket.Conn, string) {
	t.Helper()
	srv := newAcceptor(t, &websocket.AcceptOptions{Compression: a.ours, Subprotocols: []string{"chat.v2"}})
	extensions := p.dial(srv.url, a.peer)
	t.Cleanup(p.shut)
	return srv.next(t), extensions
}

// dialPeer has the library dial the peer's server.
func dialPeer(t *testing.T, p *peer, a agreement) (*websocket.Conn, string) {
	t.Helper()
	url := p.listen(a.peer)
	t.Cleanup(p.shut)
	c, resp, err := websocket.Dial(t.Context(), url, &websocket.DialOptions{Compression: a.ours})
	if err != nil {
		t.Fatalf("Dial(%s) = %v, want a connection", url, err)
	}
	t.Cleanup(func() { _ = c.CloseNow() })
	p.accept()
	return c, strings.Join(resp.Header.Values("Sec-Websocket-Extensions"), ", ")
}

// An acceptor is a server of the library whose connections a test takes over.
type acceptor struct {
	url   string // ws://
	conns chan *websocket.Conn
	errs  chan error
}

func newAcceptor(t *testing.T, opts *websocket.AcceptOptions) *acceptor {
	a := &acceptor{conns: make(chan *websocket.Conn, 1), errs: make(chan error, 16)}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, opts)
		if err != nil {
			a.errs <- err
			return
		}
		a.conns <- c
		<-c.Context().Done()
	}))
	a.url = "ws" + strings.TrimPrefix(srv.URL, "http")
	t.Cleanup(srv.Close)
	return a
}

// next waits for a connection.
func (a *acceptor) next(t *testing.T) *websocket.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), stepTimeout)
	defer cancel()
	select {
	case c := <-a.conns:
		t.Cleanup(func() { _ = c.CloseNow() })
		return c
	case err := <-a.errs:
		t.Fatalf("Accept: %v", err)
	case <-ctx.Done():
		t.Fatal("nobody connects")
	}
	return nil
}

// forEachLink runs test with every peer in both roles.
func forEachLink(t *testing.T, test func(t *testing.T, p *peer, l link)) {
	for _, kind := range peers {
		t.Run(kind.name, func(t *testing.T) {
			p := kind.start(t)
			for _, l := range links {
				t.Run(fmt.Sprintf("our %v", l.role), func(t *testing.T) {
					test(t, p.with(t), l)
				})
			}
		})
	}
}

// readInBackground keeps a reader in c, which is what notices Pongs and Close
// frames, until stop is called. The connection outlives it.
func readInBackground(c *websocket.Conn) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			if _, _, err := c.Read(ctx); err != nil {
				return
			}
		}
	}()
	return func() {
		cancel()
		<-done
	}
}
