package deflate

import (
	"bytes"
	"fmt"
	"math/rand"
	"slices"
	"testing"
)

// What an encoder makes of a message depends on the message and its history, and
// on nothing that the encoder did before, for whatever connection.
//
// Security 9.
func TestEncoderForgets(t *testing.T) {
	for seed := range int64(60) {
		r := rand.New(rand.NewSource(seed))
		bits := 8 + int(seed)%8
		past, p := sample(r, r.Intn(2*maxHistory)), sample(r, r.Intn(1+r.Intn(100_000)))
		want := new(encoder).encode(nil, past, p, windowSize(bits))
		e := poisoned(r)
		for round := range 2 {
			if got := e.encode(nil, past, p, windowSize(bits)); !bytes.Equal(got, want) {
				t.Fatalf("seed %d, round %d: %d bytes after other messages, want the %d of a new encoder", seed, round, len(got), len(want))
			}
			e.encode(nil, sample(r, 5000), bytes.Repeat([]byte("SECRET"), 20_000), maxWindow)
		}
	}
}

// poisoned returns an encoder that is full of what it might have been left with.
func poisoned(r *rand.Rand) *encoder {
	e := new(encoder)
	for i := range e.buf {
		e.buf[i] = "SECRET"[i%6]
	}
	for i := range e.table {
		e.table[i] = r.Uint32()
	}
	for i := range e.literalRoom {
		e.literalRoom[i] = "SECRET"[i%6]
	}
	for i := range e.sequenceRoom {
		e.sequenceRoom[i] = sequence{uint16(r.Int()), uint16(r.Intn(256)), uint16(r.Int()), uint8(r.Int()), uint8(r.Int())}
	}
	e.base, e.from, e.end = uint16(r.Int()), r.Intn(len(e.buf)), len(e.buf)-wordSize
	for i := range e.litFreq {
		e.litFreq[i] = uint16(r.Int())
		e.lits.lengths[i] = uint8(r.Intn(16))
		e.lits.words[i] = word(r.Uint32())
	}
	for i := range e.distFreq {
		e.distFreq[i] = uint16(r.Int())
		e.dists.lengths[i] = uint8(r.Intn(16))
	}
	e.bits, e.n, e.extra = r.Uint64(), 5, 1000
	return e
}

// All kinds of messages, of all sizes, come out the same at the peer: whole
// windows, and counts of places that wrap around.
func TestKinds(t *testing.T) {
	for _, kind := range kinds {
		for _, bits := range []int{8, 9, 12, 15} {
			r := rand.New(rand.NewSource(int64(bits)))
			x := newDirection(bits, true)
			for _, n := range []int{0, 1, 3, 4, 7, 8, 9, 63, 64, 110, 1000, 5000, 9000, 33_000, 70_000, 100, 200_000} {
				if err := x.send(kind.make(r, n)); err != nil {
					t.Fatalf("%s, bits %d, %d bytes: %v", kind.name, bits, n, err)
				}
			}
		}
	}
}

// RFC 1951, 3.2.7: no word is longer than its most, and every code is complete:
// there are decoders that refuse others. Within that it is the best there is.
func TestBuild(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	b := new(builder)
	for round := range 3000 {
		most := []int{maxCode, maxMetaCode}[round%2]
		freq := make([]uint16, []int{maxLits, maxMetas}[round%2])
		frequencies(r, freq)
		var c code
		b.build(&c, freq, most)

		sum, used := 0, 0
		for symbol, n := range c.lengths[:len(freq)] {
			if int(n) > most || n == 0 && freq[symbol] > 0 {
				t.Fatalf("frequencies %v: word of %d bits for symbol %d, want 1 to %d", freq, n, symbol, most)
			}
			if n > 0 {
				sum += 1 << (most - int(n))
				used++
			}
		}
		if sum != 1<<most || used < 2 {
			t.Fatalf("frequencies %v: lengths %v make no complete code", freq, c.lengths[:len(freq)])
		}
		longest := int(slices.Max(c.lengths[:len(freq)]))
		if got, best := c.cost(freq), bestCost(freq); got < best || longest < most && got > best {
			t.Fatalf("frequencies %v: %d bits, want %d", freq, got, best)
		}
	}
}

// frequencies fills freq in one of the ways that matter.
func frequencies(r *rand.Rand, freq []uint16) {
	switch r.Intn(4) {
	case 0: // few symbols, or none
		for range r.Intn(4) {
			freq[r.Intn(len(freq))] = uint16(1 + r.Intn(1000))
		}
	case 1: // words as long as can be
		a, b := 1, 1
		for i := range min(len(freq), 22) {
			freq[i] = uint16(a)
			a, b = b, a+b
		}
		r.Shuffle(len(freq), func(i, j int) { freq[i], freq[j] = freq[j], freq[i] })
	case 2: // all alike
		for i := range freq {
			freq[i] = uint16(r.Intn(3))
		}
	default:
		for i := range freq {
			freq[i] = uint16(r.Intn(1 << r.Intn(13)))
		}
	}
}

// bestCost returns the bits that the best code takes, without a bound on words.
func bestCost(freq []uint16) (cost int) {
	var trees []int
	for _, f := range freq {
		if f > 0 {
			trees = append(trees, int(f))
		}
	}
	if len(trees) == 1 {
		return trees[0] // one bit each
	}
	for len(trees) > 1 {
		slices.Sort(trees)
		sum := trees[0] + trees[1]
		cost += sum
		trees = append(trees[2:], sum)
	}
	return cost
}

// Small messages get as small as they are meant to.
func TestRatio(t *testing.T) {
	for _, tt := range []struct {
		name     string
		size     int
		takeover bool
		most     float64
	}{
		{"json", 110, true, 0.36},
		{"json", 1024, false, 0.31},
		{"json", 1024, true, 0.24},
		{"text", 1024, false, 0.46},
		{"json", 16 << 10, false, 0.23},
		{"text", 16 << 10, false, 0.40},
		{"binary", 16 << 10, false, 0.46},
		{"zeros", 16 << 10, false, 0.01},
		{"random", 16 << 10, false, 1.001},
	} {
		for _, kind := range kinds {
			if kind.name != tt.name {
				continue
			}
			c := NewCompressor(15, tt.takeover)
			in, out := 0, 0
			for _, p := range samples(kind.make, tt.size) {
				out += len(c.Append(nil, p))
				c.Commit(p)
				in += len(p)
			}
			if got := float64(out) / float64(in); got > tt.most {
				t.Errorf("%s of %d bytes, takeover %v: %.3f of the size, want at most %.3f", tt.name, tt.size, tt.takeover, got, tt.most)
			}
		}
	}
}

// A message that does not get shorter may be sent as it is, and leaves no trace
// then. One that was compressed for all, with no history, is part of it.
//
// Checks 7692-11, 7692-42.
func TestCommit(t *testing.T) {
	for bits := 8; bits <= 15; bits++ {
		r := rand.New(rand.NewSource(int64(bits)))
		x := newDirection(bits, true)
		for i := range 200 {
			p := jsonMessage(r, r.Intn(400))
			if i%5 == 0 {
				p = noise(r, r.Intn(400))
			}
			var err error
			switch payload := x.c.Append(nil, p); {
			case len(payload) >= len(p): // sent with RSV1 clear
			case i%3 == 0:
				payload = Compress(nil, p, 8+r.Intn(bits-7))
				x.c.Commit(p)
				err = x.received(payload, p)
			default:
				x.c.Commit(p)
				err = x.received(payload, p)
			}
			if err != nil {
				t.Fatalf("bits %d, message %d: %v", bits, i, err)
			}
		}
	}
}

// Compress keeps to the window, appends, and refers to nothing.
func TestCompress(t *testing.T) {
	for bits := 8; bits <= 15; bits++ {
		p := sample(rand.New(rand.NewSource(int64(bits))), 70_000)
		out := Compress([]byte("before"), p, bits)
		got, far, err := inflatePlain(nil, bytes.TrimPrefix(out, []byte("before")))
		if err != nil || !bytes.Equal(got, p) || far > windowSize(bits) {
			t.Errorf("Compress(%d bits) = %d bytes up to %d back, %v, want %d", bits, len(got), far, err, len(p))
		}
		if want := NewCompressor(bits, false).Append([]byte("before"), p); !bytes.Equal(out, want) {
			t.Errorf("Compress(%d bits) = %d bytes, want the %d of Append", bits, len(out), len(want))
		}
	}
	if got := Compress(nil, nil, 15); !bytes.Equal(got, []byte{0}) {
		t.Errorf("Compress(empty) = % x, want 00", got)
	}
}

// Small messages take no memory but the history, in either direction.
func TestNoAllocations(t *testing.T) {
	for _, takeover := range []bool{false, true} {
		for _, n := range []int{110, 1024} {
			all := samples(jsonMessage, n)
			c, d := NewCompressor(12, takeover), NewDecompressor(12, takeover)
			payload, got := make([]byte, 0, 2*n), make([]byte, 0, 2*n)
			i := 0
			exchange := func() {
				p := all[i%len(all)]
				i++
				payload = c.Append(payload[:0], p)
				c.Commit(p)
				var err error
				if got, err = d.Append(got[:0], payload, -1, -1); err != nil || !bytes.Equal(got, p) {
					t.Fatalf("Append = %d bytes, %v, want %d", len(got), err, len(p))
				}
			}
			for range 100 {
				exchange()
			}
			if allocs := testing.AllocsPerRun(200, exchange); allocs > 0 {
				t.Errorf("%d bytes, takeover %v: %v allocations a message, want none", n, takeover, allocs)
			}
		}
	}
}

func ExampleCompress() {
	payload := Compress(nil, []byte("Hello, hello, hello"), 15)
	p, err := NewDecompressor(15, false).Append(nil, payload, 100, 10)
	fmt.Printf("%q %v\n", p, err)
	// Output: "Hello, hello, hello" <nil>
}
