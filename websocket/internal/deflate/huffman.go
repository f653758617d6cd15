package deflate

import "math/bits"

const (
	fastBits = 10 // codes up to this length are found with one look
	maxCode  = 15 // bits in the longest code (RFC 1951, section 3.2.7)

	fixedSymbols = 288 // in the largest code, that of blocks with BTYPE 01
)

// An entry says what bits stand for: in the low half the length of the code that
// they begin with, how many extra bits follow it, and the kind of its symbol; in
// the high half a number, to which the extra bits are added. It is 0 if they
// begin with no code.
type entry uint32

const (
	entryLiteral entry = 1 << (8 + iota)
	entrySpan          // a length or a distance
	entryEnd
	entryBad // a symbol without meaning
)

func (e entry) len() uint   { return uint(e & 15) }
func (e entry) extra() uint { return uint(e >> 4 & 15) }
func (e entry) value() int  { return int(e >> 16) }

// number returns the value and its extra bits, which b begins with.
func (e entry) number(b uint64) int { return e.value() + int(b&(1<<e.extra()-1)) }

// A table decodes one Huffman code (RFC 1951, section 3.2.2).
type table struct {
	entries *[fixedSymbols]entry // for each symbol, without the length of its code
	fast    [1 << fastBits]entry // for the next bits of input; 0 also for longer codes
	mask    uint64               // of the bits that fast is for

	// count[n] is how many codes have n bits; symbols has what they stand for, in
	// the order of the codes.
	count   [maxCode + 1]uint16
	symbols [fixedSymbols]uint16

	// The symbols that have a code, in their order: symbol<<4 | length.
	used [fixedSymbols]uint16
	n    int
}

// begin begins a new code, for symbols with these entries.
func (t *table) begin(entries *[fixedSymbols]entry) {
	t.entries = entries
	t.n = 0
	clear(t.count[:])
}

// add gives a symbol a code of that length. Symbols come in order.
func (t *table) add(symbol int, length uint8) {
	t.used[t.n] = uint16(symbol<<4) | uint16(length)
	t.n++
	t.count[length]++
}

// build makes the table ready to use. It reports whether the lengths make a code:
// a complete one, one with a single symbol of one bit, or an empty one, whose use
// is an error later. These are the codes that zlib takes, which stands for most
// peers.
func (t *table) build() bool {
	var index [maxCode + 2]uint16
	left, longest := 1, 0
	for n := 1; n <= maxCode; n++ {
		left = left<<1 - int(t.count[n])
		if left < 0 {
			return false
		}
		index[n+1] = index[n] + t.count[n]
		if t.count[n] > 0 {
			longest = n
		}
	}
	if left > 0 && t.n > 0 && (t.n != 1 || t.count[1] != 1) {
		return false
	}
	for _, u := range t.used[:t.n] {
		at := &index[u&15]
		t.symbols[*at] = u >> 4
		*at++
	}
	t.fill(min(longest, fastBits))
	return true
}

// fill fills the part of fast that so many bits can tell apart.
func (t *table) fill(most int) {
	t.mask = 1<<most - 1
	t.fast[0] = 0
	symbols := t.symbols[:]
	code := uint(0) // its first bit is lowest (section 3.1.1)
	for n := 1; n <= most; n++ {
		// One bit more: what was known is so, whatever that bit is.
		size := 1 << (n - 1)
		copy(t.fast[size:2*size], t.fast[:size])
		count := t.count[n]
		for _, symbol := range symbols[:count] {
			t.fast[code%(1<<fastBits)] = t.entries[symbol%512%fixedSymbols] | entry(n)
			// The next code: one more, counted from the last bit.
			zeros := ^code & (1<<n - 1)
			top := uint(1) << bits.Len(zeros) >> 1
			code = code&(top-1) | top
		}
		symbols = symbols[count:]
	}
}

// next returns the entry of the code that the bits begin with. If fewer bits are
// at hand than its length, it means nothing; the missing ones must be zero.
func (t *table) next(b uint64) entry {
	if e := t.fast[b&t.mask%(1<<fastBits)]; e != 0 {
		return e
	}
	return t.long(b)
}

// long finds codes of any length, bit by bit.
func (t *table) long(b uint64) entry {
	code, first, index := 0, 0, 0
	for n := 1; n <= maxCode; n++ {
		code = code<<1 | int(b&1)
		b >>= 1
		count := int(t.count[n])
		if code-first < count {
			return t.entries[t.symbols[index+code-first]] | entry(n)
		}
		index += count
		first = (first + count) << 1
	}
	return 0
}

// The entries of literals and lengths, of distances, and of code lengths.
var litEntries, distEntries, metaEntries = entries()

func entries() (lits, dists, metas *[fixedSymbols]entry) {
	lits, dists, metas = new([fixedSymbols]entry), new([fixedSymbols]entry), new([fixedSymbols]entry)
	for i := range lits {
		lits[i], dists[i] = entryBad, entryBad
		metas[i] = entryLiteral | entry(i)<<16
	}
	copy(lits[:endOfBlock], metas[:])
	lits[endOfBlock] = entryEnd
	for i, s := range lengthSpans {
		lits[endOfBlock+1+i] = entrySpan | entry(s.extra)<<4 | entry(s.base)<<16
	}
	for i, s := range distSpans {
		dists[i] = entrySpan | entry(s.extra)<<4 | entry(s.base)<<16
	}
	return lits, dists, metas
}

// The code of blocks with BTYPE 01 (RFC 1951, section 3.2.6).
var fixedLit, fixedDist = fixedTables()

func fixedTables() (lit, dist *table) {
	lit, dist = new(table), new(table)
	lit.begin(litEntries)
	for symbol := range fixedSymbols {
		lit.add(symbol, fixedLength(symbol))
	}
	lit.build()
	dist.begin(distEntries)
	for symbol := range maxDists + 2 {
		dist.add(symbol, 5)
	}
	dist.build()
	return lit, dist
}
