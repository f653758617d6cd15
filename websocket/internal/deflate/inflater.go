package deflate

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
)

// ErrCorrupt is wrapped by the errors for compressed data that does not inflate.
var ErrCorrupt = errors.New("compressed data is corrupt")

var (
	errBlockType = fmt.Errorf("%w: block of reserved type", ErrCorrupt)
	errStored    = fmt.Errorf("%w: length of stored block", ErrCorrupt)
	errCode      = fmt.Errorf("%w: not a Huffman code", ErrCorrupt)
	errSymbol    = fmt.Errorf("%w: symbol without meaning", ErrCorrupt)
	errDistance  = fmt.Errorf("%w: reference to before the window", ErrCorrupt)
	errTruncated = fmt.Errorf("%w: %w", ErrCorrupt, io.ErrUnexpectedEOF)
)

// errFull says that decode has filled the space that it was given.
var errFull = errors.New("output is full")

// tail is what the sender of a message has cut off (RFC 7692, section 7.2.2).
var tail = []byte{0x00, 0x00, 0xff, 0xff}

// The steps of decoding, each of which can be begun again when input lacks.
type step uint8

const (
	blockHeader step = iota
	storedHeader
	storedData
	codeHeader
	codeLengths
	codes
	symbols
)

// An inflater decodes the DEFLATE data of one message (RFC 1951). It stops
// wherever input or space ends, and goes on from there. Whatever the data, it
// uses no memory but its own.
type inflater struct {
	in     []byte // what is left of the input, owned by who gave it
	last   bool   // no input follows
	tailed bool   // the tail was put behind it

	// Bits taken from in, the next one lowest. Those above the first n are zero.
	bits uint64
	n    uint

	step  step
	final bool // the block under way has BFINAL set
	ended bool // nothing has come since the end of such a block

	left             int // bytes still to come in a stored block
	length, distance int // of a reference: bytes still to copy, and how far back

	// What describes the codes of a block with BTYPE 10 (section 3.2.7).
	lits, dists, metas int
	have               int // lengths read so far
	lengths            [maxMetas]uint8
	previous           uint8 // the last one read
	meta               table

	lit, dist         *table // of the block under way
	ownLits, ownDists table
}

var inflaters = sync.Pool{New: func() any { return new(inflater) }}

// newInflater returns an inflater that is at the start of a message. It is given
// back with release.
func newInflater() *inflater {
	f := inflaters.Get().(*inflater)
	f.reset()
	return f
}

// reset puts f at the start of a message. The rest is set before it is used.
func (f *inflater) reset() {
	f.in, f.last, f.tailed = nil, false, false
	f.bits, f.n = 0, 0
	f.step, f.final, f.ended = blockHeader, false, false
	f.left, f.length = 0, 0
}

// release gives f back. It keeps no reference to input, nor any output.
func (f *inflater) release() {
	f.in = nil
	inflaters.Put(f)
}

// decode appends inflated bytes to out[start:] until len(out) is top, which is
// at most cap(out). References reach into out[start:] and, beyond that, into
// past, which are the bytes that came before them.
//
// It returns errFull when top is reached, though the message may be at its end;
// [ErrMore] if input is lacking and more may come; io.EOF at the end of the
// message; or an error that wraps ErrCorrupt.
func (f *inflater) decode(past, out []byte, start, top int) ([]byte, error) {
	for {
		var err error
		switch f.step {
		case blockHeader:
			err = f.blockHeader()
		case storedHeader:
			err = f.storedHeader()
		case storedData:
			out, err = f.storedData(out, top)
		case codeHeader:
			err = f.codeHeader()
		case codeLengths:
			err = f.codeLengths()
		case codes:
			err = f.codes()
		case symbols:
			out, err = f.symbols(past, out, start, top)
		}
		if err == ErrMore && f.last {
			err = f.endOfInput()
		}
		if err != nil {
			return out, err
		}
	}
}

// endOfInput puts the tail behind the message's own bytes. Called again, when
// the tail is used up too, it says how the message has ended.
func (f *inflater) endOfInput() error {
	between := f.step == blockHeader && f.n == 0
	switch {
	case between && (f.tailed || f.ended):
		// A message may end with a block that has BFINAL set, with no empty block
		// behind it: RFC 7692, section 7.2.1, wants one, but compressors that
		// finish their stream leave it out, and nothing can be meant but the end.
		return io.EOF
	case f.tailed:
		return errTruncated
	}
	f.in, f.tailed = tail, true
	return nil
}

// need takes input until at least n bits are at hand, n being at most 56. It
// reports whether there are.
func (f *inflater) need(n uint) bool {
	if f.n < n {
		f.refill()
	}
	return f.n >= n
}

// refill takes as many whole bytes as fit.
func (f *inflater) refill() {
	if len(f.in) >= 8 {
		f.bits |= binary.LittleEndian.Uint64(f.in) << (f.n & 63)
		bytes := (63 - f.n) / 8
		f.n += bytes * 8
		f.bits &= 1<<f.n - 1
		f.in = f.in[bytes:]
		return
	}
	for f.n <= 56 && len(f.in) > 0 {
		f.bits |= uint64(f.in[0]) << f.n
		f.n += 8
		f.in = f.in[1:]
	}
}

// take removes n bits that are at hand and returns them.
func (f *inflater) take(n uint) int {
	v := int(f.bits & (1<<n - 1))
	f.bits >>= n
	f.n -= n
	return v
}

func (f *inflater) blockHeader() error {
	if !f.need(3) {
		return ErrMore
	}
	f.ended = false
	f.final = f.take(1) == 1
	switch f.take(2) {
	case 0:
		f.take(f.n % 8)
		f.step = storedHeader
	case 1:
		f.lit, f.dist = fixedLit, fixedDist
		f.step = symbols
	case 2:
		f.step = codeHeader
	default:
		return errBlockType
	}
	return nil
}

// endBlock ends a block. RFC 7692, section 7.2.1: after one with BFINAL set the
// next begins at the next byte, and may refer to what lies before.
func (f *inflater) endBlock() {
	f.step = blockHeader
	if f.final {
		f.take(f.n % 8)
		f.ended = true
	}
}

func (f *inflater) storedHeader() error {
	if !f.need(32) {
		return ErrMore
	}
	f.left = f.take(16)
	if f.take(16) != f.left^0xffff {
		return errStored
	}
	f.step = storedData
	return nil
}

func (f *inflater) storedData(out []byte, top int) ([]byte, error) {
	for f.left > 0 && f.n > 0 && len(out) < top {
		out = append(out, byte(f.take(8)))
		f.left--
	}
	if f.n == 0 {
		n := min(f.left, len(f.in), top-len(out))
		out = append(out, f.in[:n]...)
		f.in = f.in[n:]
		f.left -= n
	}
	switch {
	case f.left == 0:
		f.endBlock()
	case len(out) == top:
		return out, errFull
	default:
		return out, ErrMore
	}
	return out, nil
}
