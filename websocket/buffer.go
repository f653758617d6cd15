package websocket

import (
	"math/bits"
	"slices"
	"sync"
)

// A buffer is memory that is taken for a turn to send, or for a message that is
// being handled. It grows by reserve.
type buffer struct{ b []byte }

var buffers = sync.Pool{New: func() any { return new(buffer) }}

// maxSmallBuffer is the most memory that a buffer has in the pool. What is larger
// is in largeBuffers, so that a large message leaves nothing large behind where a
// small one is to come.
const maxSmallBuffer = 64 << 10

// largeBuffers holds memory of 128 KiB, 256 KiB and so on up to 8 MiB.
var largeBuffers [7]sync.Pool

// tier returns the index into largeBuffers of memory for size bytes, which are
// more than maxSmallBuffer.
func tier(size int) int { return bits.Len(uint(size-1)) - bits.Len(uint(maxSmallBuffer)) }

// poison is set by tests. What is given back to a pool is overwritten, so that
// bytes used after that show.
var poison bool

func getBuffer() *buffer { return buffers.Get().(*buffer) }

// putBack gives the buffer back with the memory of b, which began in it.
func (buf *buffer) putBack(b []byte) {
	if poison {
		overwrite(b[:cap(b)])
	}
	if cap(b) > maxSmallBuffer {
		putLarge(b)
		b = nil
	}
	buf.b = b[:0]
	buffers.Put(buf)
}

func putLarge(b []byte) {
	t := tier(cap(b))
	if t < len(largeBuffers) && cap(b) == maxSmallBuffer<<(t+1) {
		largeBuffers[t].Put(&buffer{b[:0]})
	}
}

// reserve returns b, which lies in a buffer, with room for n bytes more.
func reserve(b []byte, n int) []byte {
	size := len(b) + n
	if size <= cap(b) {
		return b
	}
	t := tier(max(size, maxSmallBuffer+1))
	if size <= maxSmallBuffer || t >= len(largeBuffers) {
		return slices.Grow(b, n)
	}
	var larger []byte
	if old, ok := largeBuffers[t].Get().(*buffer); ok {
		larger = old.b
	} else {
		larger = make([]byte, 0, maxSmallBuffer<<(t+1))
	}
	larger = append(larger, b...)
	if cap(b) > maxSmallBuffer {
		if poison {
			overwrite(b[:cap(b)])
		}
		putLarge(b)
	}
	return larger
}

func overwrite(b []byte) {
	for i := range b {
		b[i] = 0xDB
	}
}
