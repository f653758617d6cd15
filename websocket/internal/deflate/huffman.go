package deflate

import "math/bits"

const (
	fastBits = 9  // codes up to this length are found with one look
	maxCode  = 15 // bits in the longest code (RFC 1951, section 3.2.7)
)

// A table decodes one Huffman code (RFC 1951, section 3.2.2).
type table struct {
	// fast has for the next fastBits bits of input symbol<<4 | length of the code
	// that they begin with, or 0 if there is no such code or a longer one.
	fast [1 << fastBits]uint16

	// count[n] is how many codes have n bits; symbols has what they stand for, in
	// the order of the codes.
	count   [maxCode + 1]uint16
	symbols [288]uint16
}

// build sets the table to the code whose lengths by symbol are given. It reports
// whether they make a code: a complete one, one with a single symbol of one bit,
// or an empty one, whose use is an error later. These are the codes that zlib
// makes, which stands for most peers.
func (t *table) build(lengths []uint8) bool {
	clear(t.fast[:])
	clear(t.count[:])
	for _, n := range lengths {
		t.count[n]++
	}
	t.count[0] = 0
	var code, index [maxCode + 2]int
	left := 1
	for n := 1; n <= maxCode; n++ {
		left = left<<1 - int(t.count[n])
		if left < 0 {
			return false
		}
		code[n+1] = (code[n] + int(t.count[n])) << 1
		index[n+1] = index[n] + int(t.count[n])
	}
	used := index[maxCode+1]
	if left > 0 && used > 0 && (used != 1 || t.count[1] != 1) {
		return false
	}
	for symbol, n := range lengths {
		if n == 0 {
			continue
		}
		t.symbols[index[n]] = uint16(symbol)
		if n <= fastBits {
			// Codes come with their first bit lowest (section 3.1.1).
			at := int(bits.Reverse16(uint16(code[n])) >> (16 - n))
			for ; at < len(t.fast); at += 1 << n {
				t.fast[at] = uint16(symbol)<<4 | uint16(n)
			}
		}
		code[n]++
		index[n]++
	}
	return true
}

// next returns the symbol whose code the bits begin with, and the length of that
// code, which is 0 if there is none. If fewer bits are at hand than that length,
// the symbol means nothing; the missing ones must be zero.
func (t *table) next(b uint64) (symbol int, length uint) {
	if e := t.fast[b&(1<<fastBits-1)]; e != 0 {
		return int(e >> 4), uint(e & 15)
	}
	return t.long(b)
}

// long finds codes of any length, bit by bit.
func (t *table) long(b uint64) (symbol int, length uint) {
	code, first, index := 0, 0, 0
	for n := uint(1); n <= maxCode; n++ {
		code = code<<1 | int(b&1)
		b >>= 1
		count := int(t.count[n])
		if code-first < count {
			return int(t.symbols[index+code-first]), n
		}
		index += count
		first = (first + count) << 1
	}
	return 0, 0
}

// The code of blocks with BTYPE 01 (RFC 1951, section 3.2.6).
var fixedLit, fixedDist = fixedTables()

func fixedTables() (lit, dist *table) {
	var lengths [288]uint8
	for i := range lengths {
		switch {
		case i < 144, i >= 280:
			lengths[i] = 8
		case i < 256:
			lengths[i] = 9
		default:
			lengths[i] = 7
		}
	}
	lit, dist = new(table), new(table)
	lit.build(lengths[:])
	for i := range 32 {
		lengths[i] = 5
	}
	dist.build(lengths[:32])
	return lit, dist
}
