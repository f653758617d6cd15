package websocket

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
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
	switch stream.(type) {
	case *net.TCPConn, *net.UnixConn:
		t.resumable = true
	}
	return t
}

// past is a deadline that stops a call under way.
var past = time.Unix(1, 0)

// read reads at least one byte, or returns an error. When ctx ends it returns
// the context's error, and nothing is lost.
func (t *transport) read(ctx context.Context, p []byte) (int, error) {
	if ctx.Done() != nil && t.deadlines == nil || t.aside != nil || len(t.rest) > 0 || t.err != nil {
		return t.readAside(ctx, p)
	}
	return interruptible(ctx, p, t.stream.Read, t.setReadDeadline)
}

// write writes b and returns how much of it was taken. It is for resumable
// transports, or for a context that never ends.
func (t *transport) write(ctx context.Context, b []byte) (int, error) {
	return interruptible(ctx, b, t.stream.Write, t.setWriteDeadline)
}

func (t *transport) setReadDeadline(d time.Time)  { _ = t.deadlines.SetReadDeadline(d) }
func (t *transport) setWriteDeadline(d time.Time) { _ = t.deadlines.SetWriteDeadline(d) }

// interruptible calls op, which a deadline in the past stops, and has ctx stop it so.
func interruptible(ctx context.Context, b []byte, op func([]byte) (int, error), setDeadline func(time.Time)) (int, error) {
	if ctx.Done() == nil {
		return op(b)
	}
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	var stopped sync.WaitGroup
	stopped.Add(1)
	stop := context.AfterFunc(ctx, func() {
		setDeadline(past)
		stopped.Done()
	})
	n, err := op(b)
	if !stop() {
		stopped.Wait()
		setDeadline(time.Time{})
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return n, ctx.Err()
		}
	}
	return n, err
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
