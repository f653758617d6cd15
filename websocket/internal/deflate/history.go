package deflate

// maxWindow is the largest distance that DEFLATE can express (RFC 1951, section 2).
const maxWindow = 32 << 10

// A history holds the last bytes that went through one direction of a
// connection, at most size of them. Its memory grows with what it holds.
type history struct {
	size int
	b    []byte
}

// add appends p and forgets what has become too old.
func (h *history) add(p []byte) {
	if len(p) > h.size {
		p = p[len(p)-h.size:]
	}
	keep := min(len(h.b), h.size-len(p))
	total := keep + len(p)
	if total > cap(h.b) {
		grown := make([]byte, keep, min(h.size, max(total, 2*cap(h.b), 512)))
		copy(grown, h.b[len(h.b)-keep:])
		h.b = grown
	} else {
		copy(h.b, h.b[len(h.b)-keep:])
	}
	h.b = append(h.b[:keep], p...)
}

// set puts p in the place of what was there.
func (h *history) set(p []byte) {
	h.b = h.b[:0]
	h.add(p)
}

// drop forgets everything and gives the memory back.
func (h *history) drop() {
	h.b = nil
}

// windowSize returns the bytes of a window of that many bits (RFC 7692, section
// 7.1.2). Zero means 15; what lies outside 8 to 15 counts as the nearest.
func windowSize(bits int) int {
	if bits == 0 {
		bits = 15
	}
	return 1 << min(max(bits, 8), 15)
}
