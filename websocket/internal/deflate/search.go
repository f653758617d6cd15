package deflate

import (
	"encoding/binary"
	"math/bits"
)

const (
	minMatch = 4   // the shortest repeat that is looked for
	maxMatch = 258 // the longest that DEFLATE can express (RFC 1951, section 3.2.5)

	// maxChunk and maxSequences bound one block.
	maxChunk     = 32 << 10
	maxSequences = maxChunk / 8

	// wordSize is how many bytes the search reads at once. It ends where fewer are left.
	wordSize = 8

	// keepSize is how many literals are copied at once.
	keepSize = 16
)

// A sequence is a run of bytes that are sent as they are, followed by a repeat
// of earlier ones. The last sequence of a block has no repeat.
type sequence struct {
	literals uint16
	length   uint16 // less minLength
	dist     uint16 // less one

	// What length and dist are sent as.
	lengthSymbol, distSymbol uint8
}

// A searcher finds repeats. It serves one message after another, of different
// connections. What it finds depends on nothing but the message and its past.
type searcher struct {
	// buf[:from] is known to the receiver, buf[from:end] is still to be sent. The
	// bytes from end on are anybody's.
	buf       [maxWindow + maxChunk + wordSize]byte
	from, end int
	window    uint16 // the largest distance
	quick     bool

	// table has for each hash the last place that had it in the low half and, if
	// not quick, the one before that in the high half. Places are counted from base
	// on, and the counts wrap around: one that is too old looks like another, whose
	// bytes are then found to differ.
	base  uint16
	table [1 << quickBits]uint32

	// What search found: the bytes of all the literals, one after the other.
	sequences    []sequence
	literals     []byte
	sequenceRoom [maxSequences + 1]sequence
	literalRoom  [maxChunk + keepSize]byte
}

// start begins a message of size bytes, which may refer to past, up to window
// bytes back.
func (s *searcher) start(past []byte, window, size int) {
	past = past[max(0, len(past)-window):]
	s.window = uint16(window)
	s.quick = len(past)+size > quickSize
	s.base = 1 // the zeros in table are places before the first one
	s.end = copy(s.buf[:], past)
	if s.quick {
		clear(s.table[:])
	} else {
		clear(s.table[:1<<thoroughBits])
	}
	s.index(s.end)
}

// fill takes the next chunk of p to be searched, and returns what is left of p.
func (s *searcher) fill(p []byte) []byte {
	s.from = s.end
	if s.from > maxWindow {
		keep := s.from - maxWindow
		copy(s.buf[:maxWindow], s.buf[keep:s.from])
		s.base += uint16(keep)
		s.from = maxWindow
	}
	n := copy(s.buf[s.from:s.from+maxChunk], p)
	s.end = s.from + n
	return p[n:]
}

// search finds the sequences of buf[from:end], but stops when there are too many
// for one block. It moves from to where it came.
func (s *searcher) search() {
	s.sequences = s.sequenceRoom[:0]
	s.literals = s.literalRoom[:0]
	if s.quick {
		s.searchQuick()
	} else {
		s.searchThoroughly()
	}
	rest := 0
	if len(s.sequences) < maxSequences {
		rest = s.end - s.from
	}
	if len(s.sequences) == 0 {
		s.literals = s.buf[s.from:s.end]
	} else {
		s.keep(rest)
	}
	s.from += rest
	s.sequences = append(s.sequences, sequence{literals: uint16(rest)})
}

// add makes a sequence that ends with a repeat of length bytes at i. It returns
// where the next one begins, which is also the new from.
func (s *searcher) add(i, length, dist int) int {
	// The repeat may have begun earlier, at a place that was not looked at.
	for i > s.from && i > dist && s.buf[i-1] == s.buf[i-dist-1] && length < maxMatch {
		i--
		length++
	}
	s.sequences = append(s.sequences, sequence{
		literals: uint16(i - s.from), length: uint16(length - minLength), dist: uint16(dist - 1),
	})
	s.keep(i - s.from)
	s.from = i + length
	return s.from
}

// keep copies the next n bytes to literals.
func (s *searcher) keep(n int) {
	at := len(s.literals)
	s.literals = s.literals[:at+n]
	if n > keepSize || s.from > len(s.buf)-keepSize {
		copy(s.literals[at:], s.buf[s.from:])
		return
	}
	// With a fixed length there is no guessing where the copy ends.
	*(*[keepSize]byte)(s.literalRoom[at:]) = [keepSize]byte(s.buf[s.from:])
}

// word returns the bytes from i on, the first one lowest.
func (s *searcher) word(i uint16) uint64 {
	return binary.LittleEndian.Uint64(s.buf[i : int(i)+wordSize])
}

// extend returns how many bytes at i, at most maxMatch, are as those dist before,
// of which the first wordSize are.
func (s *searcher) extend(i, dist int) int {
	a := s.buf[i+wordSize : min(s.end, i+maxMatch)]
	b := s.buf[i+wordSize-dist:][:len(a)]
	n := 0
	for n+wordSize <= len(a) {
		x := binary.LittleEndian.Uint64(a[n:]) ^ binary.LittleEndian.Uint64(b[n:])
		if x != 0 {
			return wordSize + n + bits.TrailingZeros64(x)/8
		}
		n += wordSize
	}
	for n < len(a) && a[n] == b[n] {
		n++
	}
	return wordSize + n
}
