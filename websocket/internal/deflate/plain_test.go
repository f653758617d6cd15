package deflate

import (
	"bytes"
	"compress/flate"
	"errors"
	"io"
	"math/rand"
	"slices"
	"strings"
)

// A plain decodes DEFLATE data bit by bit, in the simplest way there is. It is
// what the inflater is compared to, and what measures the compressor.
type plain struct {
	in  []byte
	pos int // in bits

	out  []byte // what came before the message, and what the message has given
	base int    // where the message begins in out
	far  int    // the largest distance of a reference
}

var errPlain = errors.New("not DEFLATE")

// inflatePlain decodes one message of permessage-deflate. It returns what the
// message gives and the largest distance in it.
func inflatePlain(past, payload []byte) (out []byte, far int, err error) {
	p := &plain{in: append(bytes.Clone(payload), tail...), out: bytes.Clone(past), base: len(past)}
	defer func() {
		if r := recover(); r != nil {
			if r != errPlain {
				panic(r)
			}
			out, far, err = nil, 0, errPlain
		}
	}()
	for p.pos < 8*len(p.in) {
		if final := p.block(); final {
			p.align()
			if p.pos == 8*len(payload) {
				break
			}
		}
	}
	return p.out[p.base:], p.far, nil
}

func (p *plain) check(ok bool) {
	if !ok {
		panic(errPlain)
	}
}

func (p *plain) bit() int {
	p.check(p.pos < 8*len(p.in))
	v := int(p.in[p.pos/8]>>(p.pos%8)) & 1
	p.pos++
	return v
}

func (p *plain) number(n int) int {
	v := 0
	for i := range n {
		v |= p.bit() << i
	}
	return v
}

func (p *plain) align() { p.pos = (p.pos + 7) / 8 * 8 }

func (p *plain) block() (final bool) {
	final = p.bit() == 1
	switch p.number(2) {
	case 0:
		p.align()
		n := p.number(16)
		p.check(p.number(16) == ^n&0xffff)
		for range n {
			p.out = append(p.out, byte(p.number(8)))
		}
	case 1:
		p.symbols(plainLits, plainDists)
	case 2:
		p.symbols(p.codes())
	default:
		p.check(false)
	}
	return final
}

var plainLits, plainDists = func() (lits, dists plainCode) {
	lengths := slices.Concat(slices.Repeat([]int{8}, 144), slices.Repeat([]int{9}, 112),
		slices.Repeat([]int{7}, 24), slices.Repeat([]int{8}, 8))
	p := new(plain)
	return p.code(lengths), p.code(slices.Repeat([]int{5}, 32))
}()

// A plainCode maps a code, written with a leading 1, to its symbol.
type plainCode map[int]int

func (p *plain) code(lengths []int) plainCode {
	c, next, sum, used := plainCode{}, 1, 0, 0
	for n := 1; n <= 15; n++ {
		next <<= 1
		for symbol, length := range lengths {
			if length == n {
				c[next] = symbol
				next++
				used++
				sum += 1 << (15 - n)
			}
		}
	}
	_, single := c[2]
	p.check(sum == 1<<15 || used == 0 || used == 1 && single)
	return c
}

func (p *plain) symbol(c plainCode) int {
	code := 1
	for range 15 {
		code = code<<1 | p.bit()
		if symbol, ok := c[code]; ok {
			return symbol
		}
	}
	panic(errPlain)
}

func (p *plain) codes() (lits, dists plainCode) {
	nlits, ndists, n := p.number(5)+257, p.number(5)+1, p.number(4)+4
	p.check(nlits <= 286 && ndists <= 30)
	meta := make([]int, 19)
	for _, i := range []int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}[:n] {
		meta[i] = p.number(3)
	}
	c := p.code(meta)
	var lengths []int
	for len(lengths) < nlits+ndists {
		value, times := p.symbol(c), 1
		switch value {
		case 16:
			p.check(len(lengths) > 0)
			value, times = lengths[len(lengths)-1], 3+p.number(2)
		case 17:
			value, times = 0, 3+p.number(3)
		case 18:
			value, times = 0, 11+p.number(7)
		}
		for range times {
			lengths = append(lengths, value)
		}
	}
	p.check(len(lengths) == nlits+ndists)
	return p.code(lengths[:nlits]), p.code(lengths[nlits:])
}

func (p *plain) symbols(lits, dists plainCode) {
	lengths := []int{3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258}
	bases := []int{1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577}
	for {
		s := p.symbol(lits)
		if s == 256 {
			return
		}
		if s < 256 {
			p.out = append(p.out, byte(s))
			continue
		}
		s -= 257
		p.check(s < len(lengths))
		length := lengths[s]
		if s >= 8 && s < 28 {
			length += p.number(s/4 - 1)
		}
		d := p.symbol(dists)
		p.check(d < len(bases))
		dist := bases[d]
		if d >= 4 {
			dist += p.number(d/2 - 1)
		}
		p.check(dist <= len(p.out))
		p.far = max(p.far, dist)
		for range length {
			p.out = append(p.out, p.out[len(p.out)-dist])
		}
	}
}

// inflateStandard decodes one message with the standard library. It finds the
// end of the message by a block with BFINAL set, put behind the tail.
func inflateStandard(past, payload []byte) ([]byte, error) {
	in := append(bytes.Clone(payload), tail...)
	in = append(in, 0x01, 0x00, 0x00, 0xff, 0xff)
	src := bytes.NewReader(in)
	out := bytes.Clone(past)
	for src.Len() > 0 && src.Len() != len(in)-len(payload) {
		b, err := io.ReadAll(flate.NewReaderDict(src, out))
		if err != nil {
			return nil, err
		}
		out = append(out, b...)
	}
	return out[len(past):], nil
}

// A writer of DEFLATE data by hand.
type bitWriter struct {
	b []byte
	n int // in bits
}

// put writes the n lowest bits of v, lowest first.
func (w *bitWriter) put(v, n int) *bitWriter {
	for i := range n {
		if w.n%8 == 0 {
			w.b = append(w.b, 0)
		}
		w.b[w.n/8] |= byte(v>>i&1) << (w.n % 8)
		w.n++
	}
	return w
}

// code writes a Huffman code of n bits, highest first.
func (w *bitWriter) code(v, n int) *bitWriter {
	for i := n - 1; i >= 0; i-- {
		w.put(v>>i&1, 1)
	}
	return w
}

// fixed begins a block of the fixed code; literal and copy258 go on in it.
func (w *bitWriter) fixed(final int) *bitWriter { return w.put(final, 1).put(1, 2) }

func (w *bitWriter) literal(c byte) *bitWriter {
	if c < 144 {
		return w.code(0x30+int(c), 8)
	}
	return w.code(0x190+int(c)-144, 9)
}

// copy258 writes a reference to 258 bytes by distance symbol and extra bits.
func (w *bitWriter) copy258(symbol, extra, bits int) *bitWriter {
	return w.code(0xc5, 8).code(symbol, 5).put(extra, bits)
}

// end writes the end of a block.
func (w *bitWriter) end() *bitWriter { return w.code(0, 7) }

// message returns the data as a payload: with the start of an empty stored block.
func (w *bitWriter) message() []byte { return w.put(0, 3).b }

// sample returns n bytes that are partly like earlier ones, at all distances.
func sample(r *rand.Rand, n int) []byte {
	words := strings.Fields("channel presence subscriber history epoch offset publish message 0.125 true null {\"id\":")
	var b []byte
	for len(b) < n {
		switch r.Intn(6) {
		case 0:
			noise := make([]byte, r.Intn(300))
			r.Read(noise)
			b = append(b, noise...)
		case 1:
			b = append(b, bytes.Repeat([]byte{byte(r.Int())}, r.Intn(700))...)
		case 2, 3:
			if len(b) > 0 {
				from := r.Intn(len(b))
				b = append(b, b[from:min(len(b), from+r.Intn(400))]...)
			}
		default:
			for range r.Intn(40) {
				b = append(append(b, words[r.Intn(len(words))]...), ' ')
			}
		}
	}
	return b[:n]
}

// noise returns n bytes that cannot be compressed.
func noise(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	r.Read(b)
	return b
}
