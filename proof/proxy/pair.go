package proxy

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// A Way is how a connection is broken.
type Way int

// The ways.
const (
	// Reset breaks both sides at once; what was under way is gone.
	Reset Way = iota

	// Down lets a few bytes more through to the client, or none, and then breaks both sides: most
	// often in the middle of a frame. What the server has done by then is done, but its
	// answer is lost.
	Down

	// Up is the same towards the server.
	Up

	ways
)

// maxMore bounds the bytes that still come through.
const maxMore = 2000

// bufferSize is how much is carried at a time. It is small so that frames are cut.
const bufferSize = 4 << 10

// A pair is one connection: the client's side and the server's.
type pair struct {
	client, server net.Conn
	up, down       stream
	once           sync.Once
	broken         atomic.Bool
}

// A stream is one direction. More is how many bytes come through before the pair is
// cut, or negative without a bound.
type stream struct {
	gate *gate // constant

	mu   sync.Mutex
	more int
}

func newPair(client, server net.Conn, up, down *gate) *pair {
	return &pair{client: client, server: server, up: stream{gate: up, more: -1}, down: stream{gate: down, more: -1}}
}

// damage breaks the connection in a way, after more bytes where that counts.
func (p *pair) damage(way Way, more int) {
	p.broken.Store(true)
	switch way {
	case Down:
		p.down.bound(more)
	case Up:
		p.up.bound(more)
	default:
		p.once.Do(func() {
			reset(p.client)
			reset(p.server)
		})
	}
}

// cut ends both sides. What has come through may still be read.
func (p *pair) cut() {
	p.once.Do(func() {
		_ = p.client.Close()
		_ = p.server.Close()
	})
}

// reset closes a connection such that the other side sees an error and loses what
// it has not read.
func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}

// run carries both directions until both have ended.
func (p *pair) run() {
	var up sync.WaitGroup
	up.Go(func() { p.pump(p.server, p.client, &p.up) })
	p.pump(p.client, p.server, &p.down)
	up.Wait()
	p.cut()
}

// pump carries one direction. An end of it is passed on, so that an orderly close
// comes through; an error ends both.
func (p *pair) pump(to, from net.Conn, s *stream) {
	buf := make([]byte, bufferSize)
	for {
		n, err := from.Read(buf)
		s.gate.pass()
		allowed, last := s.allow(n)
		if _, werr := to.Write(buf[:allowed]); werr != nil || last || err != nil && err != io.EOF {
			p.cut()
			return
		}
		if err == io.EOF {
			_ = to.(*net.TCPConn).CloseWrite()
			return
		}
	}
}

// bound lets more bytes through, and then none.
func (s *stream) bound(more int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.more = more
}

// allow returns how many of n bytes come through, and whether they are the last.
func (s *stream) allow(n int) (allowed int, last bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.more < 0 || n == 0 {
		return n, false
	}
	allowed = min(n, s.more)
	s.more -= allowed
	return allowed, s.more == 0
}
