package websocket

import (
	"context"
	"io"
	"net"
	"time"
)

// A transport is a stream whose reads and writes a context can interrupt without
// harm to the stream.
type transport struct {
	stream io.ReadWriteCloser

	// Nil where the stream has no deadlines, or refuses them.
	deadlines interface {
		SetReadDeadline(time.Time) error
		SetWriteDeadline(time.Time) error
	}

	// resumable says that a write which a deadline stopped can be taken up at the
	// byte where it stopped. TLS cannot: its state is lost with the record.
	resumable bool

	socket socket // what resumable streams are read from and written to, where there is one

	reading, writing interrupt

	keepalive keepalive

	// Owned by the reader. A read that goes on aside, after its call was given up.
	aside chan readResult
	rest  []byte // what such a read brought and nobody took yet
	err   error  // what it ended with
}

type readResult struct {
	p   []byte
	err error
}

func newTransport(stream io.ReadWriteCloser) *transport {
	t := &transport{stream: stream}
	if d, ok := stream.(interface {
		SetReadDeadline(time.Time) error
		SetWriteDeadline(time.Time) error
	}); ok && d.SetReadDeadline(time.Time{}) == nil && d.SetWriteDeadline(time.Time{}) == nil {
		t.deadlines = d
	}
	switch s := stream.(type) {
	case *net.TCPConn:
		t.resumable = true
		t.socket.open(s)
	case *net.UnixConn:
		t.resumable = true
		t.socket.open(s)
	}
	return t
}

// fill reads at least one byte into the empty input of c, or returns an error. When
// ctx ends it returns the context's error, and nothing is lost.
func (t *transport) fill(ctx context.Context, c *Conn) error {
	switch {
	case !t.socket.ok() || !t.interruptible():
		n, err := t.read(ctx, c.input.space())
		c.input.filled(n)
		if n > 0 {
			return nil
		}
		return err
	case ctx.Done() != nil:
		return t.fillUntil(ctx, c)
	}
	return t.socket.fill(t.stream, c)
}

// fillUntil is fill from a socket with a context that can end.
func (t *transport) fillUntil(ctx context.Context, c *Conn) error {
	if err := t.reading.begin(ctx, t.deadlines.SetReadDeadline); err != nil {
		return err
	}
	err := t.socket.fill(t.stream, c)
	return t.reading.end(ctx, t.deadlines.SetReadDeadline, err)
}

// interruptible says that reads need not go aside.
func (t *transport) interruptible() bool {
	return t.deadlines != nil && t.aside == nil && len(t.rest) == 0 && t.err == nil
}

// read reads at least one byte, or returns an error. When ctx ends it returns
// the context's error, and nothing is lost.
func (t *transport) read(ctx context.Context, p []byte) (int, error) {
	switch {
	case ctx.Done() == nil && t.aside == nil && len(t.rest) == 0 && t.err == nil:
		return t.stream.Read(p)
	case !t.interruptible():
		return t.readAside(ctx, p)
	}
	if err := t.reading.begin(ctx, t.deadlines.SetReadDeadline); err != nil {
		return 0, err
	}
	n, err := t.stream.Read(p)
	return n, t.reading.end(ctx, t.deadlines.SetReadDeadline, err)
}

// write writes b and returns how much of it was taken. It is for resumable
// transports, or for a context that never ends.
func (t *transport) write(ctx context.Context, b []byte) (int, error) {
	if ctx.Done() == nil {
		return t.put(b)
	}
	if err := t.writing.begin(ctx, t.deadlines.SetWriteDeadline); err != nil {
		return 0, err
	}
	n, err := t.put(b)
	return n, t.writing.end(ctx, t.deadlines.SetWriteDeadline, err)
}

// readAside reads in a goroutine, which goes on when ctx ends: the next read takes
// what it brings. It ends when the stream is closed.
func (t *transport) readAside(ctx context.Context, p []byte) (int, error) {
	if len(t.rest) == 0 && t.err == nil {
		if t.aside == nil {
			t.aside = make(chan readResult, 1)
			go func(aside chan<- readResult, buf []byte) {
				n, err := t.stream.Read(buf)
				aside <- readResult{buf[:n], err}
			}(t.aside, make([]byte, len(p)))
		}
		select {
		case r := <-t.aside:
			t.aside, t.rest, t.err = nil, r.p, r.err
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	n := copy(p, t.rest)
	if t.rest = t.rest[n:]; len(t.rest) > 0 || n > 0 {
		return n, nil
	}
	err := t.err
	t.rest, t.err = nil, nil
	return 0, err
}

// closeWrite ends the sending direction, if the stream can do that apart.
func (t *transport) closeWrite() {
	if s, ok := t.stream.(interface{ CloseWrite() error }); ok {
		_ = s.CloseWrite() // what is wrong with the stream, its reads will tell
	}
}

// close closes the stream, which ends the calls under way.
func (t *transport) close() {
	t.keepalive.stop()
	_ = t.stream.Close() // nothing is left to be lost
	t.reading.close()
	t.writing.close()
}
