// Package wstest has what tests of WebSocket applications need: connections in
// memory that work inside testing/synctest, streams that fail at a given byte,
// and a peer that breaks the rules.
package wstest

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// streamBuffer is how many bytes one direction of a stream holds, as a socket
// buffer would.
const streamBuffer = 64 << 10

// Streams returns the two ends of a duplex stream in memory. Each direction holds
// 64 KiB before a Write blocks. The ends have deadlines, CloseWrite, and no
// goroutines, and block durably in the sense of testing/synctest.
func Streams() (a, b *Stream) {
	ab, ba := newHalf(), newHalf()
	return &Stream{in: ba, out: ab}, &Stream{in: ab, out: ba}
}

// A Stream is one end of a duplex stream in memory. It is a net.Conn.
// Its methods may be called at once.
type Stream struct {
	in, out *half
}

// Read reads what the other end has written.
func (s *Stream) Read(p []byte) (int, error) { return s.in.read(p) }

// Write hands p to the other end. Without a reader it blocks when 64 KiB wait.
func (s *Stream) Write(p []byte) (int, error) { return s.out.write(p) }

// CloseWrite has the other end read io.EOF once it has read all else.
func (s *Stream) CloseWrite() error {
	s.out.closeWrite()
	return nil
}

// Close ends both directions. Bytes that were not read are lost.
func (s *Stream) Close() error {
	s.out.closeWrite()
	s.in.closeRead()
	return nil
}

// SetDeadline sets both deadlines.
func (s *Stream) SetDeadline(t time.Time) error {
	s.in.readDeadline.set(t)
	s.out.writeDeadline.set(t)
	return nil
}

// SetReadDeadline sets when Read gives up.
func (s *Stream) SetReadDeadline(t time.Time) error {
	s.in.readDeadline.set(t)
	return nil
}

// SetWriteDeadline sets when Write gives up. It returns how much was taken.
func (s *Stream) SetWriteDeadline(t time.Time) error {
	s.out.writeDeadline.set(t)
	return nil
}

// LocalAddr returns an address that says only that the stream is in memory.
func (s *Stream) LocalAddr() net.Addr { return addr{} }

// RemoteAddr returns the same as LocalAddr.
func (s *Stream) RemoteAddr() net.Addr { return addr{} }

type addr struct{}

func (addr) Network() string { return "memory" }
func (addr) String() string  { return "memory" }

// A half is one direction of a stream.
type half struct {
	mu      sync.Mutex
	changed sync.Cond

	// Guarded by mu.
	buf                         []byte
	writeClosed, readClosed     bool
	readDeadline, writeDeadline deadline
}

func newHalf() *half {
	h := &half{}
	h.changed.L = &h.mu
	h.readDeadline.half, h.writeDeadline.half = h, h
	return h
}

func (h *half) read(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		switch {
		case h.readClosed:
			return 0, net.ErrClosed
		case h.readDeadline.passed:
			return 0, os.ErrDeadlineExceeded
		case len(h.buf) > 0 || len(p) == 0:
			n := copy(p, h.buf)
			h.buf = h.buf[n:]
			h.changed.Broadcast()
			return n, nil
		case h.writeClosed:
			return 0, io.EOF
		}
		h.changed.Wait()
	}
}

func (h *half) write(p []byte) (n int, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		switch {
		case h.writeClosed:
			return n, net.ErrClosed
		case h.readClosed:
			return n, io.ErrClosedPipe
		case h.writeDeadline.passed:
			return n, os.ErrDeadlineExceeded
		case n == len(p):
			return n, nil
		}
		if room := streamBuffer - len(h.buf); room > 0 {
			take := min(room, len(p)-n)
			h.buf = append(h.buf, p[n:n+take]...)
			n += take
			h.changed.Broadcast()
			continue
		}
		h.changed.Wait()
	}
}

func (h *half) closeWrite() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.writeClosed = true
	h.changed.Broadcast()
}

func (h *half) closeRead() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.readClosed = true
	h.changed.Broadcast()
}

// A deadline belongs to a half, whose lock guards it.
type deadline struct {
	half   *half
	moved  int // how often it was set
	timer  *time.Timer
	passed bool
}

func (d *deadline) set(t time.Time) {
	d.half.mu.Lock()
	defer d.half.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	d.passed = false
	d.moved++
	switch wait := time.Until(t); {
	case t.IsZero():
	case wait <= 0:
		d.passed = true
	default:
		moved := d.moved
		d.timer = time.AfterFunc(wait, func() { d.expire(moved) })
	}
	d.half.changed.Broadcast()
}

// expire is called when the deadline that was set as the moved-th has passed.
func (d *deadline) expire(moved int) {
	d.half.mu.Lock()
	defer d.half.mu.Unlock()
	if d.moved == moved {
		d.passed = true
		d.half.changed.Broadcast()
	}
}
