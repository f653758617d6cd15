package deflate

import (
	"encoding/binary"
	"math/bits"
)

const (
	minMatch = 4   // the shortest repeat that is looked for
	maxMatch = 258 // the longest that DEFLATE can express (RFC 1951, section 3.2.5)

	// maxChunk is the most that one block is made of.
	maxChunk = 32 << 10

	// Hash tables: the small one stays in the processor's nearest cache.
	smallBits = 12
	largeBits = 14
)

// A sequence is a run of bytes that are sent as they are, followed by a repeat
// of earlier ones. It is all the search finds out.
type sequence struct {
	literals uint16
	length   uint16 // 0 in the last sequence of a block: nothing is repeated
	dist     uint16 // less one
}

// A searcher finds repeats. It serves one message after another, of different
// connections; what it knows of one is never looked at for the next.
type searcher struct {
	// buf[:from] is known to the receiver, buf[from:end] is what is to be sent.
	buf       [maxWindow + maxChunk]byte
	from, end int

	window uint32 // the largest distance
	shift  uint   // of a hash, so that it is an index of table

	// table has for each hash the positions of the last two places that had it, the
	// later one in the low half. Positions count from base on, which moves past
	// everything when a message begins: older positions give distances that reach
	// to before buf, and need not be cleared away.
	base  uint32
	table [1 << largeBits]uint64

	sequences []sequence
	room      [maxChunk / 8]sequence
}

// start begins a message that may refer to past, up to window bytes back. size
// is the message's.
func (s *searcher) start(past []byte, window, size int) {
	s.move(s.end)
	if len(past) > window {
		past = past[len(past)-window:]
	}
	s.window = uint32(window)
	s.shift = 32 - largeBits
	if len(past)+size <= 2<<smallBits {
		s.shift = 32 - smallBits
	}
	s.from = copy(s.buf[:], past)
	s.end = s.from
	s.index(0, s.from)
}

// fill takes the next chunk of p to be searched, and returns what is left of p.
func (s *searcher) fill(p []byte) []byte {
	s.from = s.end
	if s.from > maxWindow {
		keep := s.from - maxWindow
		copy(s.buf[:maxWindow], s.buf[keep:s.from])
		s.move(keep)
		s.from = maxWindow
	}
	n := copy(s.buf[s.from:min(len(s.buf), s.from+maxChunk)], p)
	s.end = s.from + n
	return p[n:]
}

// move says that the bytes of buf are now n further to the front.
func (s *searcher) move(n int) {
	s.base += uint32(n)
	if s.base > 1<<31 {
		// Old positions would become new ones when the numbers begin again.
		clear(s.table[:])
		s.base = 1
	}
}

// index makes buf[from:to] known, but for its last bytes, which have no hash yet.
func (s *searcher) index(from, to int) {
	for i := from; i+minMatch <= to; i++ {
		h := hash(binary.LittleEndian.Uint32(s.buf[i:])) >> s.shift
		s.table[h%uint32(len(s.table))] = s.table[h%uint32(len(s.table))]<<32 | uint64(s.base+uint32(i))
	}
}

// hash returns 32 bits of which the first ones depend on all of v.
func hash(v uint32) uint32 { return v * 0x9e3779b1 }

// search finds the sequences of buf[from:end], but stops when there are too many
// for one block. It moves from to where it came.
func (s *searcher) search() {
	seqs := s.room[:0]
	at, i := s.from, s.from
	last := s.end - 8
	for i <= last && len(seqs) < len(s.room)-1 {
		length, dist := s.longest(i)
		if length < minMatch {
			i += 1 + (i-at)>>6
			continue
		}
		if length < 24 && i < last {
			if l, d := s.longest(i + 1); l > length+1 {
				i++
				length, dist = l, d
			}
		}
		seqs = append(seqs, sequence{uint16(i - at), uint16(length), uint16(dist - 1)})
		i += length
		at = i
	}
	if i > last {
		seqs = append(seqs, sequence{literals: uint16(s.end - at)})
		at = s.end
	} else {
		seqs = append(seqs, sequence{})
	}
	s.from = at
	s.sequences = seqs
}

// longest returns the longest repeat that buf[i:] begins with, if there is one
// of minMatch or more, and makes i known. At least 8 bytes are left.
func (s *searcher) longest(i int) (length int, dist uint32) {
	next := binary.LittleEndian.Uint32(s.buf[i:])
	place := &s.table[hash(next)>>s.shift%uint32(len(s.table))]
	found := *place
	pos := s.base + uint32(i)
	*place = found<<32 | uint64(pos)
	most := min(s.window, uint32(i))
	for range 2 {
		d := pos - uint32(found)
		if d-1 < most && binary.LittleEndian.Uint32(s.buf[i-int(d):]) == next {
			if n := s.common(i, int(d)); n > length {
				length, dist = n, d
			}
		}
		found >>= 32
	}
	return length, dist
}

// common returns how many bytes at i are as those dist before, 4 of which are
// known to be.
func (s *searcher) common(i, dist int) int {
	n := 4
	a, b := s.buf[i:min(s.end, i+maxMatch)], s.buf[i-dist:s.end-dist]
	for n+8 <= len(a) && n+8 <= len(b) {
		if x := binary.LittleEndian.Uint64(a[n:]) ^ binary.LittleEndian.Uint64(b[n:]); x != 0 {
			return n + bits.TrailingZeros64(x)/8
		}
		n += 8
	}
	for n < len(a) && a[n] == b[n] {
		n++
	}
	return n
}
