package deflate

import (
	"encoding/binary"
	"slices"
)

// Bits are written behind a slice, the first one of each byte lowest (RFC 1951,
// section 3.1.1).
type bitSink struct {
	dst  []byte
	bits uint64 // not in dst yet
	n    uint   // how many, less than 8 between calls
}

// grow makes room for so many bits.
func (w *bitSink) grow(bits int) { w.dst = slices.Grow(w.dst, bits/8+16) }

// put writes the n bits of v, n being at most 56. There is room for them.
func (w *bitSink) put(v uint64, n uint) {
	at := len(w.dst)
	w.bits |= v << (w.n & 63)
	w.n += n
	binary.LittleEndian.PutUint64(w.dst[at:at+8], w.bits)
	w.dst = w.dst[:at+int(w.n/8)]
	w.bits >>= w.n &^ 7 & 63
	w.n %= 8
}

// symbols writes the sequences, which take the literals one after the other, and
// the end of the block. There is room for them.
func (w *bitSink) symbols(literals []byte, seqs []sequence, lits, dists *code) {
	// What put does, with all of it in registers.
	acc, n, at := w.bits, w.n, len(w.dst)
	out := w.dst[:cap(w.dst)]
	for i, s := range seqs {
		for _, b := range literals[:s.literals] {
			word := lits.words[b]
			acc |= word.bits() << (n & 63)
			n += word.len()
			binary.LittleEndian.PutUint64(out[at:], acc)
			at += int(n / 8)
			acc >>= n &^ 7 & 63
			n %= 8
		}
		if i == len(seqs)-1 {
			break
		}
		// 7 bits that wait, 15+5 for the length, 15+13 for the distance.
		literals = literals[s.literals:]
		word, span := lits.words[endOfBlock+1+int(s.lengthSymbol)], lengthSpans[s.lengthSymbol]
		acc |= word.bits() << (n & 63)
		n += word.len()
		acc |= uint64(s.length+minLength-span.base) << (n & 63)
		n += uint(span.extra)
		word, span = dists.words[s.distSymbol], distSpans[s.distSymbol]
		acc |= word.bits() << (n & 63)
		n += word.len()
		acc |= uint64(s.dist+1-span.base) << (n & 63)
		n += uint(span.extra)
		binary.LittleEndian.PutUint64(out[at:], acc)
		at += int(n / 8)
		acc >>= n &^ 7 & 63
		n %= 8
	}
	w.bits, w.n, w.dst = acc, n, out[:at]
	end := lits.words[endOfBlock]
	w.put(end.bits(), end.len())
}

// stored writes data in a stored block (RFC 1951, section 3.2.4), which is the
// last one if it is empty.
func (w *bitSink) stored(data []byte) {
	w.grow(8 * (len(data) + 8))
	w.put(0, 3)
	w.put(0, -w.n%8)
	w.put(uint64(len(data))|uint64(^uint16(len(data)))<<16, 32)
	w.dst = append(w.dst, data...)
}
