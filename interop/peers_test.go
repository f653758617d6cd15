//go:build interop

package interop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/seed-15847954/ropewalk/websocket"
)

// An agreement is one way to set up compression on both sides, and parameters
// that the answer of the opening handshake must then name, or must not.
type agreement struct {
	name   string
	peer   *deflate
	ours   *websocket.Compression
	answer []string
	absent []string
}

// agreements are played in both roles.
func agreements() []agreement {
	all := []agreement{
		{name: "no compression"},
		{name: "ours declined", ours: &websocket.Compression{}},
		{name: "theirs declined", peer: &deflate{}},
		{
			name: "context takeover", peer: &deflate{}, ours: &websocket.Compression{},
			answer: []string{"permessage-deflate"},
			absent: []string{"no_context_takeover"},
		},
		{
			name: "server_no_context_takeover", peer: &deflate{ServerNoTakeover: true}, ours: &websocket.Compression{},
			answer: []string{"server_no_context_takeover"},
		},
		{
			name: "both no_context_takeover", peer: &deflate{ServerNoTakeover: true, ClientNoTakeover: true}, ours: &websocket.Compression{},
			answer: []string{"server_no_context_takeover"},
		},
		{
			name: "no_context_takeover asked for by us", peer: &deflate{},
			ours:   &websocket.Compression{NoContextTakeover: true, PeerNoContextTakeover: true},
			answer: []string{"permessage-deflate"},
		},
		{
			name: "every message compressed", peer: &deflate{}, ours: &websocket.Compression{Threshold: -1},
			answer: []string{"permessage-deflate"},
		},
	}
	for bits := 9; bits <= 15; bits++ {
		all = append(all, agreement{
			name: fmt.Sprintf("window bits %d", bits), peer: &deflate{ServerBits: bits, ClientBits: bits}, ours: &websocket.Compression{},
			answer: []string{fmt.Sprintf("server_max_window_bits=%d", bits)},
		})
	}
	return all
}

// check looks at the extensions that the answer names.
func (a agreement) check(t *testing.T, extensions string) {
	t.Helper()
	if len(a.answer) == 0 && extensions != "" {
		t.Errorf("the answer names %q, want no extension", extensions)
	}
	for _, want := range a.answer {
		if !strings.Contains(extensions, want) {
			t.Errorf("the answer names %q, want %q in it", extensions, want)
		}
	}
	for _, bad := range a.absent {
		if strings.Contains(extensions, bad) {
			t.Errorf("the answer names %q, want no %q in it", extensions, bad)
		}
	}
}

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

// Messages of every size class cross in both directions under every agreement.
// Each is sent twice, so that the second may refer to the first where the
// context is taken over.
func TestPeerMessages(t *testing.T) {
	forEachLink(t, func(t *testing.T, p *peer, l link) {
		for _, a := range agreements() {
			t.Run(a.name, func(t *testing.T) {
				p := p.with(t)
				c, extensions := l.connect(t, p, a)
				a.check(t, extensions)
				for _, m := range messages() {
					for range 2 {
						checkToPeer(t, c, p, m)
						checkFromPeer(t, c, p, m, m.data)
					}
				}
			})
		}
	})
}

type message struct {
	typ  websocket.MessageType
	data []byte
}

func (m message) String() string {
	return fmt.Sprintf("%v of %d bytes", m.typ, len(m.data))
}

func messages() []message {
	random := make([]byte, 1<<20)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(random)
	words := bytes.Repeat([]byte("strands are laid into one rope, "), 1<<15)
	return []message{
		{websocket.Text, []byte{}},
		{websocket.Binary, []byte{}},
		{websocket.Text, []byte("hello")},
		{websocket.Text, []byte("κόσμε ▒ 🪢 ﷽")},
		{websocket.Binary, random[:125]},
		{websocket.Binary, random[:126]},
		{websocket.Text, words[:1000]},
		{websocket.Binary, random[:1<<16-1]},
		{websocket.Binary, random[:1<<16]},
		{websocket.Text, words},
		{websocket.Binary, random},
	}
}

func checkToPeer(t *testing.T, c *websocket.Conn, p *peer, m message) {
	t.Helper()
	if err := c.Write(t.Context(), m.typ, m.data); err != nil {
		t.Fatalf("Write(%v) = %v, want nil", m, err)
	}
	typ, data := p.receive()
	if typ != m.typ || !bytes.Equal(data, m.data) {
		t.Fatalf("the peer received %v, want %v", message{typ, data}, m)
	}
}

// checkFromPeer has the peer send m in parts and reads it.
func checkFromPeer(t *testing.T, c *websocket.Conn, p *peer, m message, parts ...[]byte) {
	t.Helper()
	read := make(chan error, 1)
	go func() {
		typ, data, err := c.Read(t.Context())
		if err == nil && (typ != m.typ || !bytes.Equal(data, m.data)) {
			err = fmt.Errorf("a different message, %v", message{typ, data})
		}
		read <- err
	}()
	p.send(m.typ, parts...)
	if err := <-read; err != nil {
		t.Fatalf("Read() = %v, want %v", err, m)
	}
}

// RFC 6455, section 5.4: fragments in both directions, compressed or not, with
// Pings from both sides in between.
func TestPeerFragments(t *testing.T) {
	forEachLink(t, func(t *testing.T, p *peer, l link) {
		for _, a := range agreements()[:4] {
			t.Run(a.name, func(t *testing.T) {
				p := p.with(t)
				c, _ := l.connect(t, p, a)
				const part = "one strand of three, "
				whole := message{websocket.Text, []byte(strings.Repeat(part, 3*100))}
				third := whole.data[:len(whole.data)/3]
				checkFromPeer(t, c, p, whole, third, third, third)
				checkFromPeer(t, c, p, whole, []byte{}, third, []byte{}, third, third, []byte{})
				writeFragments(t, c, third)
				if typ, data := p.receive(); typ != whole.typ || !bytes.Equal(data, whole.data) {
					t.Fatalf("the peer received %v, want %v", message{typ, data}, whole)
				}
			})
		}
	})
}

// writeFragments writes part three times as one message, with a Ping in between.
func writeFragments(t *testing.T, c *websocket.Conn, part []byte) {
	t.Helper()
	stop := readInBackground(c)
	defer stop()
	w, err := c.Writer(t.Context(), websocket.Text)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := w.Write(part); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Ping(t.Context()); err != nil {
			t.Fatalf("Ping between fragments = %v, want nil", err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
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

// RFC 6455, sections 5.5.2 and 5.5.3: Pings are answered with what they carry,
// and a Pong that nobody asked for changes nothing.
func TestPeerPings(t *testing.T) {
	forEachLink(t, func(t *testing.T, p *peer, l link) {
		c, _ := l.connect(t, p, agreement{})
		stop := readInBackground(c)
		for _, data := range []string{"rope", strings.Repeat("x", 125)} {
			if got := p.ping(data); got != data {
				t.Errorf("ping(%q) = %q, want the same", data, got)
			}
			p.pong(data)
			if _, err := c.Ping(t.Context()); err != nil {
				t.Errorf("Ping() = %v, want nil", err)
			}
		}
		stop()
		checkFromPeer(t, c, p, message{websocket.Text, []byte("still here")}, []byte("still here"))
		checkToPeer(t, c, p, message{websocket.Text, []byte("so am I")})
	})
}

var endings = []ending{
	{websocket.CloseNormal, ""},
	{websocket.CloseNormal, "done"},
	{websocket.CloseGoingAway, "ταξίδι"},
	{websocket.ClosePolicyViolation, strings.Repeat("r", 123)},
	{websocket.CloseInternalError, ""},
	{3000, "library"},
	{4999, "application"},
}

// RFC 6455, sections 5.5.1 and 7: the code and the reason that one side gives are
// those that the other sees, whichever closes, and the handshake is clean.
func TestPeerClosing(t *testing.T) {
	forEachLink(t, func(t *testing.T, p *peer, l link) {
		for _, want := range endings {
			t.Run(fmt.Sprintf("%d %.5s by us", want.Code, want.Reason), func(t *testing.T) {
				p := p.with(t)
				c, _ := l.connect(t, p, agreement{})
				if err := c.Close(want.Code, want.Reason); err != nil {
					t.Errorf("Close(%d, %q) = %v, want nil", want.Code, want.Reason, err)
				}
				if got := p.closed(); got != want {
					t.Errorf("the peer saw %v, want %v", got, want)
				}
			})
			t.Run(fmt.Sprintf("%d %.5s by them", want.Code, want.Reason), func(t *testing.T) {
				p := p.with(t)
				c, _ := l.connect(t, p, agreement{})
				got := make(chan error, 1)
				go func() {
					_, _, err := c.Read(t.Context())
					got <- err
				}()
				if seen := p.close(want.Code, want.Reason); seen.Code != want.Code {
					t.Errorf("the peer saw %v, want the code %d that it gave", seen, want.Code)
				}
				checkEnding(t, <-got, want)
			})
		}
	})
}

// checkEnding checks that err says that the peer ended the connection as want says.
func checkEnding(t *testing.T, err error, want ending) {
	t.Helper()
	var closed *websocket.CloseError
	if !errors.As(err, &closed) {
		t.Fatalf("Read() = %v, want a CloseError", err)
	}
	if got := (ending{closed.Code, closed.Reason}); got != want || !closed.Remote {
		t.Errorf("Read() = %v by remote %v, want %v by remote", got, closed.Remote, want)
	}
}

// RFC 6455, section 7.1.5: a Close frame without a code.
func TestPeerClosesWithoutCode(t *testing.T) {
	p := peers[0].start(t) // Python websockets always sends a code
	for _, l := range links {
		t.Run(fmt.Sprintf("our %v", l.role), func(t *testing.T) {
			p := p.with(t)
			c, _ := l.connect(t, p, agreement{})
			got := make(chan error, 1)
			go func() {
				_, _, err := c.Read(t.Context())
				got <- err
			}()
			want := ending{Code: websocket.CloseNoStatus}
			if seen := p.close(0, ""); seen != want {
				t.Errorf("the peer saw %v, want %v", seen, want)
			}
			checkEnding(t, <-got, want)
		})
	}
}

// RFC 6455, section 1.9: the server picks one of the subprotocols offered.
func TestPeerSubprotocol(t *testing.T) {
	const want = "chat.v2"
	for _, kind := range peers {
		t.Run(kind.name, func(t *testing.T) {
			p := kind.start(t)
			srv := newAcceptor(t, &websocket.AcceptOptions{Subprotocols: []string{want}})
			if got := p.dialSubprotocol(srv.url, "chat.v3", want); got != want {
				t.Errorf("the peer's subprotocol is %q, want %q", got, want)
			}
			if got := srv.next(t).Subprotocol(); got != want {
				t.Errorf("Accept: Subprotocol() = %q, want %q", got, want)
			}
			p.shut()

			url := p.listen(nil)
			c, _, err := websocket.Dial(t.Context(), url, &websocket.DialOptions{Subprotocols: []string{"chat.v3", want}})
			if err != nil {
				t.Fatal(err)
			}
			defer c.CloseNow()
			if got := p.accept(); got != want {
				t.Errorf("the peer's subprotocol is %q, want %q", got, want)
			}
			if got := c.Subprotocol(); got != want {
				t.Errorf("Dial: Subprotocol() = %q, want %q", got, want)
			}
			p.shut()
		})
	}
}
