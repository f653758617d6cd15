package deflate

// Sizes of the alphabets (RFC 1951, sections 3.2.5 and 3.2.7).
const (
	maxLits  = 286
	maxDists = 30
	maxMetas = 19

	endOfBlock = 256

	// minLength is the shortest length of a reference.
	minLength = 3
)

// The order in which the lengths of the code for code lengths come (RFC 1951,
// section 3.2.7).
var metaOrder = [maxMetas]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// What a symbol stands for: a number from base on, by so many extra bits.
type span struct {
	base  uint16
	extra uint8
}

// The lengths and distances of references (RFC 1951, section 3.2.5).
var lengthSpans, distSpans = spans()

func spans() (lengths [maxLits - endOfBlock - 1]span, dists [maxDists]span) {
	base := uint16(minLength)
	for i := range lengths {
		extra := uint8(max(0, i/4-1))
		lengths[i] = span{base, extra}
		base += 1 << extra
	}
	lengths[len(lengths)-1] = span{258, 0} // the one out of line
	base = 1
	for i := range dists {
		extra := uint8(max(0, i/2-1))
		dists[i] = span{base, extra}
		base += 1 << extra
	}
	return lengths, dists
}

func (f *inflater) codeHeader() error {
	if !f.need(14) {
		return ErrMore
	}
	f.lits = f.take(5) + 257
	f.dists = f.take(5) + 1
	f.metas = f.take(4) + 4
	if f.lits > maxLits || f.dists > maxDists {
		return errCode
	}
	clear(f.lengths[:maxMetas])
	f.have = 0
	f.step = codeLengths
	return nil
}

func (f *inflater) codeLengths() error {
	for ; f.have < f.metas; f.have++ {
		if !f.need(3) {
			return ErrMore
		}
		f.lengths[metaOrder[f.have]] = uint8(f.take(3))
	}
	if !f.own[0].build(f.lengths[:maxMetas]) {
		return errCode
	}
	f.have = 0
	f.step = codes
	return nil
}

// codes reads the lengths of the two codes of the block, and builds these.
func (f *inflater) codes() error {
	for f.have < f.lits+f.dists {
		f.need(14)
		symbol, n := f.own[0].next(f.bits)
		if n == 0 {
			return errCode
		}
		value, times, extra := uint8(symbol), 1, uint(0)
		switch symbol {
		case 16:
			if f.have == 0 {
				return errCode
			}
			value, times, extra = f.lengths[f.have-1], 3, 2
		case 17:
			value, times, extra = 0, 3, 3
		case 18:
			value, times, extra = 0, 11, 7
		}
		if f.n < n+extra {
			return ErrMore
		}
		f.take(n)
		times += f.take(extra)
		if f.have+times > f.lits+f.dists {
			return errCode
		}
		for ; times > 0; times-- {
			f.lengths[f.have] = value
			f.have++
		}
	}
	f.lit, f.distances = &f.own[0], &f.own[1]
	if !f.lit.build(f.lengths[:f.lits]) || !f.distances.build(f.lengths[f.lits:f.lits+f.dists]) {
		return errCode
	}
	f.step = symbols
	return nil
}

// symbols decodes the literals and references of a block.
func (f *inflater) symbols(past, out []byte, start, top int) ([]byte, error) {
	for {
		if f.length > 0 {
			out = f.copy(past, out, start, top)
		}
		if f.length > 0 {
			return out, errFull
		}
		out = f.literals(out, top)
		// The longest reference has 15+5 bits for the length and 15+13 for the
		// distance. While fewer are at hand, each use is checked.
		f.need(48)
		symbol, n := f.lit.next(f.bits)
		switch {
		case n == 0:
			return out, errCode
		case n > f.n:
			return out, ErrMore
		case symbol == endOfBlock:
			f.take(n)
			f.endBlock()
			return out, nil
		case len(out) == top:
			return out, errFull
		case symbol < endOfBlock:
			f.take(n)
			out = append(out, byte(symbol))
		default:
			if err := f.reference(symbol-endOfBlock-1, n); err != nil {
				return out, err
			}
			if f.dist > len(out)-start+len(past) {
				return out, errDistance
			}
		}
	}
}

// literals decodes the literals with short codes that come next. They are most
// of the symbols; to do them in one go takes a quarter off the time of a message.
func (f *inflater) literals(out []byte, top int) []byte {
	for {
		f.need(48)
		lit, b, n := f.lit, f.bits, f.n
		for len(out) < top && n >= fastBits {
			e := lit.fast[b&(1<<fastBits-1)]
			if e == 0 || e >= endOfBlock<<4 {
				f.bits, f.n = b, n
				return out
			}
			b >>= e & 15
			n -= uint(e & 15)
			out = append(out, byte(e>>4))
		}
		f.bits, f.n = b, n
		if len(out) == top || len(f.in) == 0 {
			return out
		}
	}
}

// reference reads a reference to earlier output, whose length has the symbol
// and the n bits given. It takes either all of it or nothing.
func (f *inflater) reference(symbol int, n uint) error {
	if symbol >= len(lengthSpans) {
		return errSymbol
	}
	size := lengthSpans[symbol]
	b := f.bits >> n
	length := int(size.base) + int(b&(1<<size.extra-1))
	b >>= size.extra
	n += uint(size.extra)

	symbol, m := f.distances.next(b)
	if n += m; n > f.n {
		return ErrMore
	}
	if m == 0 {
		return errCode
	}
	if symbol >= len(distSpans) {
		return errSymbol
	}
	dist := distSpans[symbol]
	b >>= m
	if n += uint(dist.extra); n > f.n {
		return ErrMore
	}
	f.length = length
	f.dist = int(dist.base) + int(b&(1<<dist.extra-1))
	f.take(n)
	return nil
}

// copy carries out a reference, as far as there is space.
func (f *inflater) copy(past, out []byte, start, top int) []byte {
	n := min(f.length, top-len(out))
	f.length -= n
	for n > 0 {
		before := f.dist - (len(out) - start)
		if before <= 0 {
			break
		}
		from := past[len(past)-before:]
		from = from[:min(n, len(from))]
		out = append(out, from...)
		n -= len(from)
	}
	// What is copied may reach into the copy, and then repeats. Each round copies
	// all of it that there is by now.
	for from := len(out) - f.dist; n > 0; {
		k := min(n, len(out)-from)
		out = append(out, out[from:from+k]...)
		n -= k
	}
	return out
}
