package deflate

import (
	"errors"
	"io"
	"sync"
)

// ErrMore says that a Stream has given all that can be inflated so far, and that
// more input is needed.
var ErrMore = errors.New("more compressed data is needed")

var errClosed = errors.New("read of a closed stream")

// A Stream inflates one message whose payload comes piece by piece. It never
// blocks. It must not be used by two goroutines at once, but by any one after
// another.
type Stream struct {
	d      *Decompressor
	bounds bounds

	// Nil once released.
	f      *inflater
	window *window

	filled int   // window[:filled] is in use: past output, then what was not read yet
	read   int   // window[read:filled] was not read yet
	in     int64 // bytes handed over
	out    int64 // bytes inflated
	err    error // what Read returns when all is read
}

// A window holds the output that references reach into, and as much again.
type window [2 * maxWindow]byte

var windows = sync.Pool{New: func() any { return new(window) }}

// Stream begins a message; limit and ratio are those of Append, with the ratio
// taken of what was handed over so far. The message must be read to its end, and
// the Stream closed, before d is used again. Closing it earlier, or an error,
// leaves d without the history that later messages refer to: the connection is
// to be failed.
func (d *Decompressor) Stream(limit int64, ratio int) *Stream {
	s := &Stream{
		d: d, bounds: bounds{limit, ratio},
		f: newInflater(), window: windows.Get().(*window),
	}
	s.filled = copy(s.window[:], d.history.b)
	s.read = s.filled
	return s
}

// Write hands over the next piece of the payload; final says that it is the last
// one. The piece is borrowed until Read returns ErrMore, or any other error, and
// Close at the latest. There must be no call after that with final set.
func (s *Stream) Write(piece []byte, final bool) {
	s.in += int64(len(piece))
	if s.f == nil {
		return
	}
	s.f.last = final
	if left := s.f.in; len(left) > 0 {
		// Neither of the two may be written to, so both are copied.
		piece = append(left[:len(left):len(left)], piece...)
	}
	s.f.in = piece
}

// Read fills p with what can be inflated of the pieces handed over. It returns
// no bytes and [ErrMore] when there is no more of that, and io.EOF at the end of
// the message. Other errors are those of [Decompressor.Append]; they come after
// the bytes before them were read.
func (s *Stream) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for s.read == s.filled {
		if s.err != nil {
			s.release()
			return 0, s.err
		}
		if err := s.inflate(); err != nil {
			return 0, err
		}
	}
	n := copy(p, s.window[s.read:s.filled])
	s.read += n
	return n, nil
}

// Close gives back what the stream holds. It may be called at any time, and more
// than once.
func (s *Stream) Close() {
	s.release()
	s.read, s.filled = 0, 0
	if s.err == nil {
		s.err = errClosed
	}
}

// inflate puts more output into the window, all of which was read. It returns
// ErrMore if there is none to be had; a final error it leaves in s.err.
func (s *Stream) inflate() error {
	if s.filled == len(s.window) {
		s.filled = copy(s.window[:], s.window[maxWindow:])
		s.read = s.filled
	}
	room := s.bounds.room(s.out, len(s.window)-s.filled)
	b, err := s.f.decode(nil, s.window[:s.filled], 0, s.filled+room)
	s.out += int64(len(b) - s.filled)
	s.filled = len(b)
	if e := s.bounds.check(s.out, s.in); e != nil {
		if e == ErrTooBig {
			s.filled--
		}
		s.err = e
		return nil
	}
	switch err {
	case errFull:
		return nil
	case ErrMore:
		if s.read == s.filled {
			return ErrMore
		}
		return nil
	case io.EOF:
		if s.d.takeover {
			s.d.history.set(b)
		}
	}
	s.err = err
	return nil
}

func (s *Stream) release() {
	if s.f != nil {
		s.f.release()
		windows.Put(s.window)
		s.f, s.window = nil, nil
	}
}
