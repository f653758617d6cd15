package deflate

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// A blockWriter writes the blocks of one message.
type blockWriter struct {
	dst  []byte
	bits uint64 // not in dst yet, the first one lowest
	n    uint

	litFreq  [maxLits]uint16
	distFreq [maxDists]uint16
	metaFreq [maxMetas]uint16
	extra    int // bits of the references beyond their symbols

	builder         builder
	lits, distances code
	meta            code

	// The lengths of the two codes as the header has them: symbol | extra<<8.
	lengths [maxLits + maxDists]uint8
	header  []uint16
	room    [maxLits + maxDists]uint16
	nlits   int
	ndists  int
	nmetas  int
}

// write writes the sequences of data as a block, in the shortest way.
func (w *blockWriter) write(data []byte, seqs []sequence) {
	w.count(data, seqs)
	lits, distances := &fixedLits, &fixedDists
	size := 3 + w.extra + cost(w.litFreq[:], lits) + cost(w.distFreq[:], distances)
	dynamic := false
	if size > 8*minDynamic {
		w.builder.build(&w.lits, w.litFreq[:], maxCode)
		w.builder.build(&w.distances, w.distFreq[:], maxCode)
		own := 3 + w.describe() + w.extra + cost(w.litFreq[:], &w.lits) + cost(w.distFreq[:], &w.distances)
		if own < size {
			lits, distances = &w.lits, &w.distances
			size, dynamic = own, true
		}
	}
	if stored := 8 * (len(data) + 5); stored <= size {
		w.stored(data)
		return
	}
	w.dst = slices.Grow(w.dst, size/8+16)
	if dynamic {
		w.put(2<<1, 3)
		w.writeHeader()
	} else {
		w.put(1<<1, 3)
	}
	w.symbols(data, seqs, lits, distances)
}

// minDynamic is the size from which on a code of its own may pay for a block,
// whose description takes some forty bytes at least.
const minDynamic = 64

func cost(freq []uint16, c *code) (bits int) {
	for symbol, f := range freq {
		bits += int(f) * int(c.lengths[symbol])
	}
	return bits
}

// count counts the symbols of a block.
func (w *blockWriter) count(data []byte, seqs []sequence) {
	clear(w.litFreq[:])
	clear(w.distFreq[:])
	w.extra = 0
	w.litFreq[endOfBlock] = 1
	for _, s := range seqs {
		for _, b := range data[:s.literals] {
			w.litFreq[b]++
		}
		data = data[s.literals:]
		if s.length > 0 {
			data = data[s.length:]
			symbol := lengthSymbols[s.length-3]
			w.litFreq[symbol]++
			d, extra := distSymbol(s.dist)
			w.distFreq[d]++
			w.extra += int(lengthSpans[symbol-endOfBlock-1].extra) + int(extra)
		}
	}
}

var lengthSymbols = func() (symbols [maxMatch - 2]uint16) {
	for i, s := range lengthSpans {
		for j := int(s.base); j < int(s.base)+1<<s.extra && j <= maxMatch; j++ {
			symbols[j-3] = uint16(endOfBlock + 1 + i)
		}
	}
	return symbols
}()

// distSymbol returns the symbol of a distance, less one, and how many bits follow it.
func distSymbol(d uint16) (symbol int, extra uint) {
	if d < 4 {
		return int(d), 0
	}
	extra = uint(bits.Len16(d)) - 2
	return int(2*extra) + int(d>>extra), extra
}

// The code of blocks with BTYPE 01 (RFC 1951, section 3.2.6).
var fixedLits, fixedDists = fixedCodes()

func fixedCodes() (lits, dists code) {
	var count [maxCode + 1]int
	for i := range lits.lengths {
		n := fixedLength(i)
		lits.lengths[i] = n
		count[n]++
	}
	lits.assign(len(lits.lengths), count)
	count = [maxCode + 1]int{5: 32}
	for i := range 32 {
		dists.lengths[i] = 5
	}
	dists.assign(32, count)
	return lits, dists
}

func fixedLength(symbol int) uint8 {
	switch {
	case symbol < 144, symbol >= 280:
		return 8
	case symbol < 256:
		return 9
	}
	return 7
}

// describe prepares the header that describes the two codes, and returns its
// size in bits (RFC 1951, section 3.2.7).
func (w *blockWriter) describe() int {
	w.nlits = trimmed(w.lits.lengths[:maxLits], endOfBlock+1)
	w.ndists = trimmed(w.distances.lengths[:maxDists], 1)
	n := copy(w.lengths[:], w.lits.lengths[:w.nlits])
	n += copy(w.lengths[n:], w.distances.lengths[:w.ndists])
	w.runs(w.lengths[:n])

	clear(w.metaFreq[:])
	size := 14
	for _, h := range w.header {
		w.metaFreq[h&31]++
		size += int(metaExtra(h & 31))
	}
	w.builder.build(&w.meta, w.metaFreq[:], 7)
	w.nmetas = maxMetas
	for w.nmetas > 4 && w.meta.lengths[metaOrder[w.nmetas-1]] == 0 {
		w.nmetas--
	}
	return size + 3*w.nmetas + cost(w.metaFreq[:], &w.meta)
}

// trimmed returns how many lengths there are without the zeros at the end, at
// least least.
func trimmed(lengths []uint8, least int) int {
	n := len(lengths)
	for n > least && lengths[n-1] == 0 {
		n--
	}
	return n
}

// runs writes the lengths to header, with their repeats.
func (w *blockWriter) runs(lengths []uint8) {
	h := w.room[:0]
	for i := 0; i < len(lengths); {
		v := lengths[i]
		n := 1
		for i+n < len(lengths) && lengths[i+n] == v {
			n++
		}
		i += n
		if v != 0 {
			h = append(h, uint16(v))
			n--
		}
		for n >= 3 {
			var k int
			switch {
			case v != 0:
				k = min(n, 6)
				h = append(h, 16|uint16(k-3)<<8)
			case n <= 10:
				k = n
				h = append(h, 17|uint16(k-3)<<8)
			default:
				k = min(n, 138)
				h = append(h, 18|uint16(k-11)<<8)
			}
			n -= k
		}
		for range n {
			h = append(h, uint16(v))
		}
	}
	w.header = h
}

// metaExtra returns how many bits follow a symbol of the code for code lengths.
func metaExtra(symbol uint16) uint {
	switch symbol {
	case 16:
		return 2
	case 17:
		return 3
	case 18:
		return 7
	}
	return 0
}

func (w *blockWriter) writeHeader() {
	w.put(uint64(w.nlits-257), 5)
	w.put(uint64(w.ndists-1), 5)
	w.put(uint64(w.nmetas-4), 4)
	for _, symbol := range metaOrder[:w.nmetas] {
		w.put(uint64(w.meta.lengths[symbol]), 3)
	}
	for _, h := range w.header {
		symbol := h & 31
		w.put(uint64(w.meta.words[symbol]), uint(w.meta.lengths[symbol]))
		w.put(uint64(h>>8), metaExtra(symbol))
	}
}

// put writes the n bits of v, n being at most 57. dst has room for them.
func (w *blockWriter) put(v uint64, n uint) {
	w.bits |= v << w.n
	w.n += n
	w.flush()
}

// flush moves whole bytes to dst, which has room for 8.
func (w *blockWriter) flush() {
	at := len(w.dst)
	binary.LittleEndian.PutUint64(w.dst[at:at+8], w.bits)
	k := w.n / 8
	w.dst = w.dst[:at+int(k)]
	w.bits >>= 8 * k
	w.n -= 8 * k
}

// symbols writes the sequences of data and the end of the block.
func (w *blockWriter) symbols(data []byte, seqs []sequence, lits, dists *code) {
	for _, s := range seqs {
		for _, b := range data[:s.literals] {
			w.put(uint64(lits.words[b]), uint(lits.lengths[b]))
		}
		data = data[s.literals:]
		if s.length == 0 {
			continue
		}
		data = data[s.length:]
		symbol := lengthSymbols[s.length-3]
		v, n := uint64(lits.words[symbol]), uint(lits.lengths[symbol])
		span := lengthSpans[symbol-endOfBlock-1]
		v |= uint64(s.length-span.base) << n
		n += uint(span.extra)
		d, extra := distSymbol(s.dist)
		v |= uint64(dists.words[d]) << n
		n += uint(dists.lengths[d])
		v |= uint64(s.dist&(1<<extra-1)) << n
		w.put(v, n+extra)
	}
	w.put(uint64(lits.words[endOfBlock]), uint(lits.lengths[endOfBlock]))
}

// stored writes data in a stored block (RFC 1951, section 3.2.4).
func (w *blockWriter) stored(data []byte) {
	w.dst = slices.Grow(w.dst, len(data)+16)
	w.put(0, 3)
	w.put(0, -w.n%8)
	w.put(uint64(len(data))|uint64(^uint16(len(data)))<<16, 32)
	w.dst = append(w.dst, data...)
}
