package deflate

// A header describes the two codes of a block with BTYPE 10 (RFC 1951, section
// 3.2.7).
type header struct {
	freq [maxMetas]uint16
	code code // for code lengths

	lits, dists, metas int

	// The lengths of both codes, and what they are sent as: symbol | extra<<8.
	lengths [maxLits + maxDists]uint8
	items   []uint16
	room    [maxLits + maxDists]uint16
}

// describe sets h to the description of these codes, and returns its size in bits.
func (h *header) describe(b *builder, lits, dists *code) int {
	h.lits = trimmed(lits.lengths[:maxLits], endOfBlock+1)
	h.dists = trimmed(dists.lengths[:maxDists], 1)
	n := copy(h.lengths[:], lits.lengths[:h.lits])
	n += copy(h.lengths[n:], dists.lengths[:h.dists])
	h.runs(h.lengths[:n])

	clear(h.freq[:])
	size := 5 + 5 + 4
	for _, item := range h.items {
		h.freq[item&0xff]++
		size += int(metaExtra(item & 0xff))
	}
	b.build(&h.code, h.freq[:], maxMetaCode)
	h.metas = maxMetas
	for h.metas > 4 && h.code.lengths[metaOrder[h.metas-1]] == 0 {
		h.metas--
	}
	return size + 3*h.metas + h.code.cost(h.freq[:])
}

// maxMetaCode is the most bits of a word in the code for code lengths.
const maxMetaCode = 7

// trimmed returns how many lengths there are without the zeros at the end, but
// least at least.
func trimmed(lengths []uint8, least int) int {
	n := len(lengths)
	for n > least && lengths[n-1] == 0 {
		n--
	}
	return n
}

// runs sets items to the lengths, with their repeats.
func (h *header) runs(lengths []uint8) {
	h.items = h.room[:0]
	for i := 0; i < len(lengths); {
		v, n := lengths[i], 1
		for i+n < len(lengths) && lengths[i+n] == v {
			n++
		}
		i += n
		if v != 0 {
			h.items = append(h.items, uint16(v))
			n--
		}
		for n >= 3 {
			n -= h.repeat(v, n)
		}
		for range n {
			h.items = append(h.items, uint16(v))
		}
	}
}

// repeat makes an item for v, which was there before if it is not 0, up to n
// times, and returns how often.
func (h *header) repeat(v uint8, n int) int {
	least, most, symbol := 3, 10, uint16(17)
	switch {
	case v != 0:
		most, symbol = 6, 16
	case n > 10:
		least, most, symbol = 11, 138, 18
	}
	n = min(n, most)
	h.items = append(h.items, symbol|uint16(n-least)<<8)
	return n
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

// header writes h. There is room for it.
func (w *bitSink) header(h *header) {
	w.put(uint64(h.lits-257), 5)
	w.put(uint64(h.dists-1), 5)
	w.put(uint64(h.metas-4), 4)
	for _, symbol := range metaOrder[:h.metas] {
		w.put(uint64(h.code.lengths[symbol]), 3)
	}
	for _, item := range h.items {
		symbol := item & 0xff
		word := h.code.words[symbol]
		w.put(word.bits()|uint64(item>>8)<<word.len(), word.len()+metaExtra(symbol))
	}
}
