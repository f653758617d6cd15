package wsh2

import (
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"golang.org/x/net/http2"
)

// A stream is one stream of a conn. conn.mu guards all that changes.
type stream struct {
	// Constant after conn.open.
	c                   *conn
	id                  uint32
	readWake, writeWake signal

	resp     *http.Response // the head of the answer; nil before
	interims int            // interim answers so far

	// Receiving.
	buf        []byte // received and not yet read
	recvErr    error  // what Read returns when buf is empty; nil while the server may send
	recvWindow int64  // bytes of DATA that the server may still send
	recvDebt   int64  // bytes that it may send again, but has not been told

	// Sending.
	sendWindow int64
	sendErr    error // why the server takes nothing more; nil while it may
	sentEnd    bool  // END_STREAM was sent

	closed bool // by Close

	readDeadline, writeDeadline deadline
}

// Read reads what the server has sent. io.EOF is its END_STREAM, a *ResetError its
// RST_STREAM.
func (s *stream) Read(p []byte) (int, error) {
	c := s.c
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		switch {
		case s.closed:
			return 0, errClosed
		case s.readDeadline.expired():
			return 0, os.ErrDeadlineExceeded
		case len(s.buf) > 0:
			return s.take(p), nil
		case s.recvErr != nil:
			return 0, s.recvErr
		case len(p) == 0:
			return 0, nil
		}
		expired := s.readDeadline.channel()
		c.mu.Unlock()
		select {
		case <-s.readWake:
		case <-expired:
		}
		c.mu.Lock()
	}
}

// take moves what was received to p. The caller holds conn.mu.
func (s *stream) take(p []byte) int {
	n := copy(p, s.buf)
	if s.buf = s.buf[n:]; len(s.buf) == 0 {
		s.buf = nil
	}
	s.refund(int64(n))
	return n
}

// refund lets the server send n bytes more, and tells it when that is worth a frame.
// The caller holds conn.mu.
func (s *stream) refund(n int64) {
	s.recvDebt += n
	if s.recvErr != nil || s.closed || s.recvDebt < s.c.t.streamWindow()/2 {
		return
	}
	debt := uint32(s.recvDebt)
	s.recvWindow += s.recvDebt
	s.recvDebt = 0
	s.c.send(func(f *http2.Framer) error { return f.WriteWindowUpdate(s.id, debt) })
}

// CloseWrite ends the sending direction with END_STREAM.
func (s *stream) CloseWrite() error {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	if s.closed {
		return errClosed
	}
	s.endSending()
	return nil
}

// endSending sends END_STREAM if that can be. The caller holds conn.mu.
func (s *stream) endSending() {
	if s.sentEnd || s.sendErr != nil {
		return
	}
	s.sentEnd = true
	s.c.send(func(f *http2.Framer) error { return f.WriteData(s.id, true, nil) })
	s.writeWake.set()
	if s.recvErr != nil {
		s.c.drop(s)
	}
}

// Close gives the stream up. If the server has not ended it, it is reset with
// CANCEL, which stands for the reset of a TCP connection (RFC 8441, section 5).
func (s *stream) Close() error {
	c := s.c
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.closed {
		return nil
	}
	if errors.Is(s.recvErr, io.EOF) && !c.blocked[s] {
		s.endSending()
	} else {
		s.reset(http2.ErrCodeCancel, errClosed)
	}
	s.closed = true
	s.buf = nil
	s.readWake.set()
	s.writeWake.set()
	s.readDeadline.set(time.Time{})
	s.writeDeadline.set(time.Time{})
	return nil
}

// reset ends the stream with RST_STREAM, unless it has ended. The caller holds
// conn.mu.
func (s *stream) reset(code http2.ErrCode, err error) {
	if s.sendErr == nil && (!s.sentEnd || s.recvErr == nil) {
		s.c.send(func(f *http2.Framer) error { return f.WriteRSTStream(s.id, code) })
	}
	s.end(err)
	s.c.drop(s)
}

// end ends both directions because of err. What was received can still be read. The
// caller holds conn.mu.
func (s *stream) end(err error) {
	if s.recvErr == nil {
		s.recvErr = err
	}
	if s.sendErr == nil {
		s.sendErr = err
	}
	s.readWake.set()
	s.writeWake.set()
}

// drop forgets a stream that has ended in both directions. The caller holds mu.
func (c *conn) drop(s *stream) {
	if c.streams[s.id] == s {
		delete(c.streams, s.id)
		c.settle()
	}
}

func (s *stream) LocalAddr() net.Addr  { return s.c.nc.LocalAddr() }
func (s *stream) RemoteAddr() net.Addr { return s.c.nc.RemoteAddr() }

// SetReadDeadline is that of net.Conn. Reading goes on when the deadline is moved.
func (s *stream) SetReadDeadline(t time.Time) error { return s.setDeadline(&s.readDeadline, t) }

// SetWriteDeadline is that of net.Conn. Writing goes on when the deadline is moved.
func (s *stream) SetWriteDeadline(t time.Time) error { return s.setDeadline(&s.writeDeadline, t) }

func (s *stream) setDeadline(d *deadline, t time.Time) error {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	if s.closed {
		return errClosed
	}
	d.set(t)
	return nil
}
