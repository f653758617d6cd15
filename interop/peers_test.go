//go:build interop

package interop

import (
	"fmt"
	"strings"
	"testing"

	"github.com/seed-15847954/ropewalk/websocket"
)

// Messages of every size class cross in both directions under every agreement.
// Each is sent twice, so that the second may refer to the first where the
// context is taken over.
//
// Checks 7692-31, 7692-36.
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
				p.checkReceive(whole)
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

// `ropewalk echo` answers clients that other people wrote, without compression
// and with the one that each offers by itself.
func TestPeerEcho(t *testing.T) {
	url := "ws://" + startEcho(t, "--compress")
	for _, kind := range peers {
		t.Run(kind.name, func(t *testing.T) {
			p := kind.start(t)
			for _, offer := range []*deflate{nil, {}, {ServerNoTakeover: true, ClientNoTakeover: true}, {ServerBits: 9, ClientBits: 9}} {
				p.dial(url, offer)
				for _, m := range messages() {
					p.send(m.typ, m.data)
					p.checkReceive(m)
				}
				p.send(websocket.Text, []byte("in "), []byte("three "), []byte("parts"))
				p.checkReceive(message{websocket.Text, []byte("in three parts")})
				if got := p.ping("rope"); got != "rope" {
					t.Errorf("ping(rope) = %q, want the same", got)
				}
				if got := p.close(3001, "enough"); got.Code != 3001 {
					t.Errorf("the peer saw %v, want the code 3001 that it gave", got)
				}
			}
		})
	}
}
