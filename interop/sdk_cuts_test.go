//go:build interop

package interop

import (
	"errors"
	"io"
	"log"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// A cutter carries TCP connections to a server, and breaks them where its seed says:
// behind so many bytes in one of the directions.
type cutter struct {
	// Constant after newCutter.
	target string
	ln     net.Listener
	group  sync.WaitGroup

	mu     sync.Mutex
	rng    *rand.Rand
	faults int  // connections that are still to be broken
	held   bool // none come through
	closed bool
	open   map[net.Conn]struct{} // both sides
}

func newCutter(t *testing.T, target string, rng *rand.Rand) *cutter {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &cutter{target: target, ln: ln, rng: rng, open: map[net.Conn]struct{}{}}
	c.group.Go(c.accept)
	t.Cleanup(func() {
		_ = ln.Close()
		c.mu.Lock()
		c.closed = true
		c.mu.Unlock()
		c.cut()
		c.group.Wait()
	})
	return c
}

func (c *cutter) url() string { return "http://" + c.ln.Addr().String() }

// spoil has the next n connections broken, and ends those that are there.
func (c *cutter) spoil(n int) {
	c.mu.Lock()
	c.faults = n
	c.mu.Unlock()
	c.cut()
}

// left is how many connections are still to be broken.
func (c *cutter) left() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.faults
}

// hold cuts all connections and lets none through until it is called with false.
func (c *cutter) hold(held bool) {
	c.mu.Lock()
	c.held = held
	if held {
		c.faults = 0
	}
	c.mu.Unlock()
	if held {
		c.cut()
	}
}

func (c *cutter) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.open {
		_ = conn.Close()
	}
}

func (c *cutter) accept() {
	for {
		client, err := c.ln.Accept()
		if err != nil {
			return // closed
		}
		c.group.Go(func() { c.carry(client) })
	}
}

// The most bytes that come through a connection that is to be broken: about what a
// client says until its subscriptions are there, and some batches of publications.
const (
	mostUp   = 6_000
	mostDown = 30_000
)

func (c *cutter) carry(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", c.target)
	if err != nil {
		return
	}
	defer server.Close()
	c.mu.Lock()
	if c.held || c.closed {
		c.mu.Unlock()
		return
	}
	up, down := int64(math.MaxInt64), int64(math.MaxInt64)
	if c.faults > 0 {
		c.faults--
		// As often between 10 and 100 bytes as between 100 and 1000.
		part := c.rng.Float64()
		if c.rng.IntN(3) == 0 {
			up = int64(math.Pow(mostUp, part))
		} else {
			down = int64(math.Pow(mostDown, part))
		}
	}
	c.open[client], c.open[server] = struct{}{}, struct{}{}
	c.mu.Unlock()

	var both sync.WaitGroup
	pump := func(to, from net.Conn, most int64) {
		_, _ = io.CopyN(to, from, most)
		_ = to.Close()
		_ = from.Close()
	}
	both.Go(func() { pump(server, client, up) })
	pump(client, server, down)
	both.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.open, client)
	delete(c.open, server)
}

// errLost is what becomes of an answer that its client does not get.
var errLost = errors.New("lost on purpose")

// newLoser returns the address of a gateway that loses every third answer to a poll after the
// server has given it: it ends the connection, or answers for itself that the server is gone.
func newLoser(t *testing.T, target string) string {
	var mu sync.Mutex
	polls := 0
	gateway := newGateway(target)
	gateway.ModifyResponse = func(r *http.Response) error {
		if r.Request.Method != http.MethodPost || !strings.HasSuffix(r.Request.URL.Path, "/poll") {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		if polls++; polls%3 != 0 {
			return nil
		}
		_, _ = io.Copy(io.Discard, r.Body)
		return errLost
	}
	gateway.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) {
		mu.Lock()
		n := polls
		mu.Unlock()
		if n%2 == 0 {
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(http.StatusBadGateway)
	}
	return serveGateway(t, gateway)
}

// newBlocker returns the address of a gateway that lets no WebSocket through: it refuses
// them, or takes them and is silent.
func newBlocker(t *testing.T, target string, silent bool) string {
	gateway := newGateway(target)
	over := make(chan struct{})
	addr := serveGateway(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("Upgrade") == "":
			gateway.ServeHTTP(w, r)
		case silent:
			<-over
		default:
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	t.Cleanup(func() { close(over) })
	return addr
}

func newGateway(target string) *httputil.ReverseProxy {
	gateway := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: target})
	gateway.FlushInterval = -1
	gateway.ErrorLog = log.New(io.Discard, "", 0) // broken connections are what it is for
	gateway.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }
	return gateway
}

func serveGateway(t *testing.T, h http.Handler) string {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}
