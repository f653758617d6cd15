package websocket

import (
	"sync"
	"time"
)

// Sizes of the buffer that the transport is read into. One that is the
// connection's own grows while reads fill it.
const (
	minInput = 4 << 10
	maxInput = 64 << 10
)

// An input holds bytes that were received and not yet decoded: buf[pos:end].
type input struct {
	buf      []byte
	pos, end int
	borrowed *inputBuffer // what buf is in, if it is not the connection's own
	now      time.Time    // when the bytes came
}

type inputBuffer [maxInput]byte

var inputBuffers = sync.Pool{New: func() any { return new(inputBuffer) }}

// space returns the empty input's own buffer.
func (in *input) space() []byte {
	in.giveBack()
	if in.end == len(in.buf) && len(in.buf) < maxInput {
		in.buf = make([]byte, max(minInput, min(2*len(in.buf), maxInput)))
	}
	in.pos, in.end = 0, 0
	return in.buf
}

// received gives the empty input a borrowed buffer with n bytes in it, until giveBack.
func (in *input) received(buf *inputBuffer, n int) {
	in.borrowed, in.buf = buf, buf[:]
	in.filled(n)
}

// filled notes that n bytes were read into the buffer.
func (in *input) filled(n int) {
	in.pos, in.end = 0, n
}

// giveBack gives a borrowed buffer back.
func (in *input) giveBack() {
	if in.borrowed == nil {
		return
	}
	if poison {
		overwrite(in.buf[:in.end])
	}
	inputBuffers.Put(in.borrowed)
	in.borrowed, in.buf, in.pos, in.end = nil, nil, 0, 0
}
