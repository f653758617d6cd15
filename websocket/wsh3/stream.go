package wsh3

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// cancelled is the error code for what TCP would reset (RFC 9220, section 3).
const cancelled = quic.StreamErrorCode(http3.ErrCodeRequestCanceled)

// halves is what ends the two directions of a stream, each apart.
type halves interface {
	Close() error // sends FIN
	CancelRead(quic.StreamErrorCode)
	CancelWrite(quic.StreamErrorCode)
}

// A stream is the tunnel of an extended CONNECT. One goroutine reads, one writes, and
// any closes.
type stream struct {
	// Constant.
	halves        halves
	in            io.Reader // the bytes in DATA frames, then io.EOF for a FIN
	out           io.Writer // a DATA frame for each Write
	local, remote net.Addr  // nil if unknown
	released      func()    // called when the stream is closed

	ended atomic.Bool   // the peer has sent all, and it was read
	wrong atomic.Uint64 // code of what the peer did wrong, else 0

	writing  sync.Mutex
	broken   bool // guarded by writing: a frame was begun and not finished
	finished bool // guarded by writing: FIN is sent

	closing sync.Once
	closed  atomic.Bool
}

func (s *stream) LocalAddr() net.Addr  { return s.local }
func (s *stream) RemoteAddr() net.Addr { return s.remote }

func (s *stream) Read(p []byte) (int, error) {
	for {
		n, err := s.in.Read(p)
		switch {
		case err == io.EOF:
			s.ended.Store(true)
		case err != nil && s.closed.Load():
			err = net.ErrClosed
		case err != nil:
			s.blame(err)
		}
		if n > 0 || err != nil || len(p) == 0 {
			return n, err
		}
	}
}

// blame keeps the code of an error of HTTP/3 that was found here.
func (s *stream) blame(err error) {
	if e, ok := errors.AsType[*http3.Error](err); ok && !e.Remote {
		s.wrong.Store(uint64(e.ErrorCode))
	}
}

// code is what the stream is reset with.
func (s *stream) code() quic.StreamErrorCode {
	if wrong := s.wrong.Load(); wrong != 0 {
		return quic.StreamErrorCode(wrong)
	}
	return cancelled
}

func (s *stream) Write(p []byte) (int, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.closed.Load() || s.finished || s.broken {
		return 0, net.ErrClosed
	}
	n, err := s.out.Write(p)
	if err != nil {
		s.broken = true
		if s.closed.Load() {
			err = net.ErrClosed
		}
	}
	return n, err
}

// CloseWrite sends FIN, the orderly end of the own direction. A frame that was begun
// and not finished cannot end in order: RFC 9114, section 7.1, makes a FIN within a frame
// an error of the whole connection.
func (s *stream) CloseWrite() error {
	if !s.writing.TryLock() {
		s.halves.CancelWrite(s.code())
		return errors.New("wsh3: CloseWrite during Write")
	}
	defer s.writing.Unlock()
	switch {
	case s.finished:
		return nil
	case s.broken:
		s.halves.CancelWrite(s.code())
		return net.ErrClosed
	}
	s.finished = true
	return s.halves.Close()
}

// Close ends the stream: with a FIN if the peer has ended its side so, else with a
// reset of what is not yet ended.
func (s *stream) Close() error {
	s.closing.Do(func() {
		s.closed.Store(true)
		switch {
		case s.ended.Load():
			_ = s.CloseWrite() // has reset the stream then
		case s.writing.TryLock():
			if !s.finished {
				s.halves.CancelWrite(s.code())
			}
			s.writing.Unlock()
		default:
			s.halves.CancelWrite(s.code()) // ends the Write
		}
		s.halves.CancelRead(s.code()) // does nothing to a side that has ended
		s.released()
	})
	return nil
}

// A serverStream is a stream with the deadlines of QUIC. A read that one has stopped
// can be taken up; a write cannot.
type serverStream struct {
	stream
	deadlines interface {
		SetReadDeadline(time.Time) error
		SetWriteDeadline(time.Time) error
	}
}

func (s *serverStream) SetReadDeadline(t time.Time) error  { return s.deadlines.SetReadDeadline(t) }
func (s *serverStream) SetWriteDeadline(t time.Time) error { return s.deadlines.SetWriteDeadline(t) }

// newServerStream takes over str, on which the answer is sent. It reads the DATA
// frames itself, for the reader of quic-go loses its place when a deadline stops it in
// the header of a frame.
func newServerStream(str *http3.Stream, local, remote net.Addr) *serverStream {
	raw := str.QUICStream()
	return &serverStream{
		stream: stream{
			halves:   str,
			in:       &dataReader{src: raw},
			out:      str,
			local:    local,
			remote:   remote,
			released: func() {},
		},
		deadlines: raw,
	}
}

// newClientStream takes over str, on which the answer is read. It has no deadlines,
// for the reason that newServerStream gives; so calls with a context read in
// a goroutine of their own.
func newClientStream(str *http3.RequestStream, local, remote net.Addr, released func()) *stream {
	return &stream{halves: str, in: str, out: str, local: local, remote: remote, released: released}
}
