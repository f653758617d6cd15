package deflate

import "encoding/binary"

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
	clear(f.lengths[:])
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
	f.meta.begin(metaEntries)
	for symbol, n := range f.lengths {
		if n > 0 {
			f.meta.add(symbol, n)
		}
	}
	if !f.meta.build() {
		return errCode
	}
	f.ownLits.begin(litEntries)
	f.ownDists.begin(distEntries)
	f.have = 0
	f.step = codes
	return nil
}

// codes reads the lengths of the two codes of the block, and builds these.
func (f *inflater) codes() error {
	for f.have < f.lits+f.dists {
		f.need(14)
		e := f.meta.next(f.bits)
		if e == 0 {
			return errCode
		}
		value, times, extra := uint8(e.value()), 1, uint(0)
		switch value {
		case 16:
			if f.have == 0 {
				return errCode
			}
			value, times, extra = f.previous, 3, 2
		case 17:
			value, times, extra = 0, 3, 3
		case 18:
			value, times, extra = 0, 11, 7
		}
		if f.n < e.len()+extra {
			return ErrMore
		}
		f.take(e.len())
		times += f.take(extra)
		if f.have+times > f.lits+f.dists {
			return errCode
		}
		f.addCodes(value, times)
	}
	f.lit, f.dist = &f.ownLits, &f.ownDists
	if !f.lit.build() || !f.dist.build() {
		return errCode
	}
	f.step = symbols
	return nil
}

// addCodes gives the next symbols codes of that length.
func (f *inflater) addCodes(length uint8, times int) {
	f.previous = length
	if length == 0 {
		f.have += times
		return
	}
	for range times {
		if f.have < f.lits {
			f.ownLits.add(f.have, length)
		} else {
			f.ownDists.add(f.have-f.lits, length)
		}
		f.have++
	}
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
		out = f.run(past, out, start, top)
		// The longest reference has 15+5 bits for the length and 15+13 for the
		// distance. While fewer are at hand, each use is checked.
		f.need(48)
		e := f.lit.next(f.bits)
		switch {
		case e == 0:
			return out, errCode
		case e.len() > f.n:
			return out, ErrMore
		case e&entryEnd != 0:
			f.take(e.len())
			f.endBlock()
			return out, nil
		case len(out) == top:
			return out, errFull
		case e&entryLiteral != 0:
			f.take(e.len())
			out = append(out, byte(e.value()))
		default:
			if err := f.reference(e); err != nil {
				return out, err
			}
			if f.distance > len(out)-start+len(past) {
				return out, errDistance
			}
		}
	}
}

// run does what comes next as far as it is plain and has input and space in
// plenty: most of a message, in half the time. Each round begins with 56 bits.
// That is enough for three literals, or one and a reference of 10+5 bits for the
// length and 15+13 for the distance.
func (f *inflater) run(past, out []byte, start, top int) []byte {
	lit, dist := f.lit, f.dist
	b, n, in := f.bits, f.n, f.in
	buf, at := out[:top], len(out)
	for len(in) >= 8 && at+3 <= len(buf) {
		b |= binary.LittleEndian.Uint64(in) << (n & 63)
		in = in[(63-n)/8:]
		n |= 56
		e := lit.fast[b&lit.mask%(1<<fastBits)]
		if e&entryLiteral != 0 {
			buf[at] = byte(e.value())
			at++
			b >>= e.len()
			n -= e.len()
			e = lit.fast[b&lit.mask%(1<<fastBits)]
			if e&entryLiteral != 0 {
				buf[at] = byte(e.value())
				at++
				b >>= e.len()
				n -= e.len()
				continue
			}
		}
		d := entry(0)
		rest := b >> e.len()
		length := e.number(rest)
		rest >>= e.extra()
		if e&entrySpan != 0 {
			d = dist.fast[rest&dist.mask%(1<<fastBits)]
		}
		if d&entrySpan == 0 {
			break
		}
		rest >>= d.len()
		back := d.number(rest)
		from := at - back
		if from < start || length > len(buf)-at {
			break
		}
		b = rest >> d.extra()
		n -= e.len() + e.extra() + d.len() + d.extra()
		repeat(buf, at, from, length)
		at += length
	}
	f.bits, f.n, f.in = b&(1<<n-1), n, in
	return buf[:at]
}

// repeat copies length bytes of buf from a place to a later one.
func repeat(buf []byte, to, from, length int) {
	if to-from >= 8 && to+length+8 <= len(buf) {
		// Up to 7 bytes too many do not matter: they are still to be written.
		for end := to + length; to < end; to += 8 {
			binary.LittleEndian.PutUint64(buf[to:], binary.LittleEndian.Uint64(buf[from:]))
			from += 8
		}
		return
	}
	// What is copied may reach into the copy. Each round copies all of it that
	// there is by now.
	for length > 0 {
		k := copy(buf[to:to+length], buf[from:to])
		to += k
		length -= k
	}
}

// reference reads a reference to earlier output, whose length begins with e.
// It takes either all of it or nothing.
func (f *inflater) reference(e entry) error {
	if e&entrySpan == 0 {
		return errSymbol
	}
	b := f.bits >> e.len()
	length := e.number(b)
	b >>= e.extra()
	n := e.len() + e.extra()

	e = f.dist.next(b)
	if n += e.len(); n > f.n {
		return ErrMore
	}
	if e == 0 {
		return errCode
	}
	if e&entrySpan == 0 {
		return errSymbol
	}
	b >>= e.len()
	if n += e.extra(); n > f.n {
		return ErrMore
	}
	f.length = length
	f.distance = e.number(b)
	f.take(n)
	return nil
}

// copy carries out a reference, as far as there is space.
func (f *inflater) copy(past, out []byte, start, top int) []byte {
	n := min(f.length, top-len(out))
	f.length -= n
	at := len(out)
	out = out[:at+n]
	for n > 0 {
		before := f.distance - (at - start)
		if before <= 0 {
			break
		}
		k := copy(out[at:], past[len(past)-before:])
		at += k
		n -= k
	}
	repeat(out, at, at-f.distance, n)
	return out
}
