//go:build interop

package interop

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/seed-15847954/ropewalk/websocket"
)

// A message is one to be sent, or one received.
type message struct {
	typ  websocket.MessageType
	data []byte
}

func (m message) String() string {
	return fmt.Sprintf("%v of %d bytes", m.typ, len(m.data))
}

// messages are of every size class of RFC 6455, section 5.2, up to the 1 MiB
// that the library receives by default.
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
		{websocket.Binary, repeats(random)},
	}
}

// repeats repeats pieces of random at distances just above and below the sizes
// of the windows of RFC 7692, section 7.1.2: an endpoint that refers further
// back than was agreed is not understood.
func repeats(random []byte) []byte {
	var p []byte
	for bits := 9; bits <= 15; bits++ {
		for _, n := range []int{1<<bits - 20, 1<<bits + 20} {
			p = append(append(p, random[:n]...), random[:n]...)
			random = random[n:]
		}
	}
	return p
}

func checkToPeer(t *testing.T, c *websocket.Conn, p *peer, m message) {
	t.Helper()
	if err := c.Write(t.Context(), m.typ, m.data); err != nil {
		t.Fatalf("Write(%v) = %v, want nil", m, err)
	}
	p.checkReceive(m)
}

// checkReceive has the peer receive m.
func (p *peer) checkReceive(m message) {
	p.t.Helper()
	if typ, data := p.receive(); typ != m.typ || !bytes.Equal(data, m.data) {
		p.t.Fatalf("the peer received %v, want %v", message{typ, data}, m)
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

// checkEcho writes m and reads it back, both at once, for m may be larger than
// what the way there and back can hold.
func checkEcho(t *testing.T, c *websocket.Conn, m message) {
	t.Helper()
	written := make(chan error, 1)
	go func() { written <- c.Write(t.Context(), m.typ, m.data) }()
	typ, data, err := c.Read(t.Context())
	if err != nil || typ != m.typ || !bytes.Equal(data, m.data) {
		t.Fatalf("the echo is %v, %v, want %v", message{typ, data}, err, m)
	}
	if err := <-written; err != nil {
		t.Fatalf("Write(%v) = %v, want nil", m, err)
	}
}

// endings are what either side may close with.
var endings = []ending{
	{websocket.CloseNormal, ""},
	{websocket.CloseNormal, "done"},
	{websocket.CloseGoingAway, "ταξίδι"},
	{websocket.ClosePolicyViolation, strings.Repeat("r", 123)},
	{websocket.CloseInternalError, ""},
	{3000, "library"},
	{4999, "application"},
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
