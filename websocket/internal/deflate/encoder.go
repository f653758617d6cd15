package deflate

import "sync"

// An encoder compresses one message after another. It is borrowed for the length
// of one.
type encoder struct {
	searcher
	blockWriter
}

var encoders = sync.Pool{New: func() any { return new(encoder) }}

// encode appends p compressed, ending in an empty stored block, to dst. No
// reference reaches further back than window bytes, nor to before past.
func encode(dst, past, p []byte, window int) []byte {
	e := encoders.Get().(*encoder)
	out := e.encode(dst, past, p, window)
	e.dst = nil
	encoders.Put(e)
	if len(out)-len(dst) > storedSize(len(p)) {
		return appendStored(out[:len(dst)], p)
	}
	return out
}

func (e *encoder) encode(dst, past, p []byte, window int) []byte {
	e.dst, e.bits, e.n = dst, 0, 0
	if len(p) > 0 {
		e.start(past, window, len(p))
	}
	for len(p) > 0 {
		p = e.fill(p)
		for e.from < e.end {
			from := e.from
			e.search()
			e.write(e.buf[from:e.from], e.literals, e.sequences)
		}
	}
	e.stored(nil)
	return e.dst
}
