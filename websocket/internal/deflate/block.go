package deflate

import "math/bits"

// A blockWriter writes the blocks of one message.
type blockWriter struct {
	bitSink

	// How often the symbols of a block occur, and how many bits follow them.
	litFreq  [maxLits]uint16
	distFreq [maxDists]uint16
	extra    int

	// The block's own codes.
	builder     builder
	lits, dists code
	header      header
}

// minOwn is the size in bytes from which on a code of its own may pay for a
// block. To describe one takes some forty.
const minOwn = 64

// write writes data, which is made of these sequences and literals, as a block,
// in the shortest way.
func (w *blockWriter) write(data, literals []byte, seqs []sequence) {
	w.count(literals, seqs)
	if len(seqs) == 1 && w.even(len(data)) {
		w.stored(data)
		return
	}
	lits, dists, kind := &fixedLits, &fixedDists, uint64(1)
	size := w.size(lits, dists)
	if size > 8*minOwn {
		w.builder.build(&w.lits, w.litFreq[:], maxCode)
		w.builder.build(&w.dists, w.distFreq[:], maxCode)
		own := w.header.describe(&w.builder, &w.lits, &w.dists) + w.size(&w.lits, &w.dists)
		if own < size {
			lits, dists, kind, size = &w.lits, &w.dists, 2, own
		}
	}
	if 8*(len(data)+4) <= size {
		w.stored(data)
		return
	}
	w.grow(3 + size)
	w.put(kind<<1, 3)
	if kind == 2 {
		w.bitSink.header(&w.header)
	}
	w.symbols(literals, seqs, lits, dists)
}

// size returns the bits that the symbols take in these codes.
func (w *blockWriter) size(lits, dists *code) int {
	return w.extra + lits.cost(w.litFreq[:]) + dists.cost(w.distFreq[:])
}

// count counts the symbols of a block, and notes those of the repeats.
func (w *blockWriter) count(literals []byte, seqs []sequence) {
	clear(w.litFreq[:])
	clear(w.distFreq[:])
	w.extra = 0
	w.litFreq[endOfBlock] = 1
	for _, b := range literals {
		w.litFreq[b]++
	}
	for i := range seqs[:len(seqs)-1] {
		s := &seqs[i]
		l := lengthSymbols[s.length%(1<<8)]
		d, extra := distSymbol(s.dist)
		s.lengthSymbol, s.distSymbol = l, d
		w.litFreq[endOfBlock+1+int(l)]++
		w.distFreq[d]++
		w.extra += int(lengthSpans[l].extra) + int(extra)
	}
}

// even reports whether the n bytes counted, of which none repeat, are of all
// values alike. No code makes such bytes shorter by more than one in thirty.
func (w *blockWriter) even(n int) bool {
	equal := 0 // pairs of equal bytes, of which there would be one in 256
	for _, f := range w.litFreq[:endOfBlock] {
		equal += int(f) * int(f-1)
	}
	return equal < n*(n-1)/220
}

// lengthSymbols has the symbol of each length, less minLength. The first is 0.
var lengthSymbols = func() (symbols [maxMatch - minLength + 1]uint8) {
	for i, s := range lengthSpans {
		for n := int(s.base); n < int(s.base)+1<<s.extra && n <= maxMatch; n++ {
			symbols[n-minLength] = uint8(i)
		}
	}
	return symbols
}()

// distSymbol returns the symbol of a distance, less one, and how many bits
// follow it.
func distSymbol(d uint16) (symbol uint8, extra uint) {
	if d < 4 {
		return uint8(d), 0
	}
	extra = uint(bits.Len16(d)) - 2
	return uint8(2*extra + uint(d>>extra)), extra
}
