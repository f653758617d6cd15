// Package memory has the net.Conn on which libraries are measured: it costs no
// system call, counts the calls it gets, and gives a library the opening
// handshake that its API asks for.
package memory

import (
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/seed-15847954/ropewalk/websocket/wstest"
)

// A Conn is a net.Conn over a source and a sink. Deadlines are accepted and have
// no effect. One goroutine may read while another one writes.
type Conn struct {
	in     io.Reader
	out    io.Writer
	closed atomic.Bool

	opening *opening // nil once the connection is open

	// Reads and Writes count the calls since Opened. Each stands for a system
	// call on a socket.
	Reads, Writes int
}

// NewConn returns a Conn that reads from in and writes to out, and whose opening
// handshake is still to come. If out is an io.Closer it is closed with the Conn.
func NewConn(in io.Reader, out io.Writer) *Conn {
	return &Conn{in: in, out: out, opening: new(opening)}
}

// Pipe returns the two ends of a connection.
func Pipe() (a, b *Conn) {
	x, y := wstest.Streams()
	return NewConn(x, x), NewConn(y, y)
}

// Read reads from the source.
func (c *Conn) Read(p []byte) (int, error) {
	if c.closed.Load() {
		return 0, net.ErrClosed
	}
	if c.opening != nil {
		return c.opening.read(p)
	}
	c.Reads++
	return c.in.Read(p)
}

// Write writes to the sink.
func (c *Conn) Write(p []byte) (int, error) {
	if c.closed.Load() {
		return 0, net.ErrClosed
	}
	if c.opening != nil {
		return c.opening.write(p)
	}
	c.Writes++
	return c.out.Write(p)
}

// Close ends the connection: reads and writes return net.ErrClosed from then on.
func (c *Conn) Close() error {
	if c.closed.Swap(true) {
		return nil
	}
	if out, ok := c.out.(io.Closer); ok {
		return out.Close()
	}
	return nil
}

// LocalAddr returns an address that says only that the Conn is in memory.
func (c *Conn) LocalAddr() net.Addr { return addr{} }

// RemoteAddr returns the same as LocalAddr.
func (c *Conn) RemoteAddr() net.Addr { return addr{} }

// SetDeadline does nothing.
func (c *Conn) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing.
func (c *Conn) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing.
func (c *Conn) SetWriteDeadline(time.Time) error { return nil }

type addr struct{}

func (addr) Network() string { return "memory" }
func (addr) String() string  { return "memory" }

// A Replay is a source that gives the same bytes over and over, as many at once
// as the reader has room for.
type Replay struct {
	Stream []byte
	pos    int
}

// Read reads up to the end of the stream, or from its start.
func (r *Replay) Read(p []byte) (int, error) {
	if r.pos == len(r.Stream) {
		r.pos = 0
	}
	n := copy(p, r.Stream[r.pos:])
	r.pos += n
	return n, nil
}
