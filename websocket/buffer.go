package websocket

import "sync"

// A buffer is memory that frames are put together in. It is taken for one turn
// to send.
type buffer struct{ b []byte }

var buffers = sync.Pool{New: func() any { return new(buffer) }}

const maxPooledBuffer = 64 << 10

// poison is set by tests. What is given back to a pool is overwritten, so that
// bytes used after that show.
var poison bool

func getBuffer() *buffer { return buffers.Get().(*buffer) }

// putBack gives the buffer back with the memory of b, which began in it.
func (buf *buffer) putBack(b []byte) {
	if poison {
		overwrite(b[:cap(b)])
	}
	if cap(b) > maxPooledBuffer {
		b = nil
	}
	buf.b = b[:0]
	buffers.Put(buf)
}

func overwrite(b []byte) {
	for i := range b {
		b[i] = 0xDB
	}
}
