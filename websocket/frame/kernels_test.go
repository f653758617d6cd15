package frame

import (
	"bytes"
	"slices"
	"testing"
	"unicode/utf8"
)

// A kernel is one of the ways to do what this package does with many bytes. What is
// right is decided by the definition of masking and by utf8.Valid, which is the plain
// twin of valid.
type kernel struct {
	name  string
	mask  func(dst, src []byte, key uint32) uint32
	valid func(p []byte) bool // nil if it has none
}

func maskCopyPlain(dst, src []byte, key uint32) uint32 {
	copy(dst, src)
	return maskPlain(dst[:len(src)], key)
}

// eachEnd calls f with n bytes at the start of memory, one byte further and so on,
// and at its end, where the next byte is out of bounds.
func eachEnd(memory []byte, n, starts int, f func(p []byte)) {
	for i := range min(starts, len(memory)-n) {
		f(memory[i : i+n])
	}
	f(memory[len(memory)-n:])
}

// maskLengths are those of payloads shorter than a few vectors, and about as long as
// what a kernel does in one turn of its loops.
func maskLengths() (all []int) {
	for n := range 201 {
		all = append(all, n)
	}
	for _, n := range []int{256, 320, 512, 1024} {
		all = append(all, n-1, n, n+1, n+33)
	}
	return all
}

// Checks 6455-82, 6455-84.
func TestMaskKernels(t *testing.T) {
	const key = 0xfa37213d
	for _, k := range kernels(t) {
		t.Run(k.name, func(t *testing.T) {
			from, to := guarded(t), guarded(t)
			for _, n := range maskLengths() {
				want := pattern(n)
				maskByOctet(want, wireKey(key))
				next := maskPlain(pattern(n), key)
				eachEnd(from, n, 33, func(p []byte) {
					copy(p, pattern(n))
					clear(to)
					copied := to[len(to)-n:]
					if got := k.mask(copied, p, key); got != next || !bytes.Equal(copied, want) {
						t.Fatalf("mask of %d bytes = %#x and % x, want %#x and % x", n, got, copied, next, want)
					}
					if !bytes.Equal(p, pattern(n)) || bytes.Count(to[:len(to)-n], []byte{0}) != len(to)-n {
						t.Fatalf("mask of %d bytes wrote where it must not", n)
					}
					if got := k.mask(p, p, key); got != next || !bytes.Equal(p, want) {
						t.Fatalf("mask of %d bytes in place = %#x and % x, want %#x and % x", n, got, p, next, want)
					}
				})
			}
		})
	}
}

// A destination that begins before its source in the same memory gets what one of
// its own would.
func TestMaskKernelsMove(t *testing.T) {
	const key = 0xfa37213d
	for _, k := range kernels(t) {
		t.Run(k.name, func(t *testing.T) {
			memory := guarded(t)
			for _, n := range maskLengths() {
				want := pattern(n)
				maskByOctet(want, wireKey(key))
				for _, by := range []int{1, 2, 7, 8, 15, 16, 31, 32, 33, 64, 127, 128, 129} {
					src, dst := memory[len(memory)-n:], memory[len(memory)-n-by:]
					copy(src, pattern(n))
					if k.mask(dst[:n], src, key); !bytes.Equal(dst[:n], want) {
						t.Fatalf("mask of %d bytes to %d before = % x, want % x", n, by, dst[:n], want)
					}
				}
			}
		})
	}
}

// fillings are what a text is made of that is looked into, in whole code points.
var fillings = []string{"a", "ß", "色", "😀", "aж色😀 "}

// filled is n bytes of valid text, with ASCII where a code point does not fit.
func filled(filling string, n int) []byte {
	text := bytes.Repeat([]byte(filling), n/len(filling)+1)[:n]
	for i := n - 1; i >= 0 && !utf8.Valid(text); i-- {
		text[i] = 'a'
	}
	return text
}

func eachValidator(t *testing.T, f func(t *testing.T, valid func([]byte) bool)) {
	t.Helper()
	for _, k := range kernels(t) {
		if k.valid != nil {
			t.Run(k.name, func(t *testing.T) { f(t, k.valid) })
		}
	}
}

// One wrong byte is found wherever it stands in a text of any length, and nothing
// but the text is looked at: guards stand at its ends.
//
// Checks 6455-138, 6455-139.
func TestValidKernels(t *testing.T) {
	wrong := []byte{'a', 0x80, 0xbf, 0xc0, 0xc2, 0xe0, 0xed, 0xf0, 0xf4, 0xff}
	eachValidator(t, func(t *testing.T, valid func([]byte) bool) {
		memory := guarded(t)
		check := func(p []byte) {
			if got, want := valid(p), utf8.Valid(p); got != want {
				t.Fatalf("valid(% x) = %v, want %v", p, got, want)
			}
		}
		for _, filling := range fillings {
			for n := range 201 {
				text := filled(filling, n)
				eachEnd(memory, n, 33, func(p []byte) { copy(p, text); check(p) })
				p := memory[len(memory)-n:]
				for i := range p {
					for _, c := range wrong {
						p[i] = c
						check(p)
					}
					p[i] = text[i]
				}
			}
		}
	})
}

// The texts of Autobahn at every place of longer ones, across the borders of what a
// kernel looks at in one go.
//
// Checks 6455-138, 6455-139.
func TestValidKernelsStraddle(t *testing.T) {
	texts := slices.Concat(validTexts, invalidTexts)
	eachValidator(t, func(t *testing.T, valid func([]byte) bool) {
		memory := guarded(t)
		for _, filling := range fillings {
			for _, text := range texts {
				for before := range 100 {
					for _, behind := range []int{0, 5, 64} {
						p := memory[len(memory)-before-len(text)-behind:]
						copy(p, filled(filling, before))
						copy(p[before:], text)
						copy(p[before+len(text):], filled(filling, behind))
						if got, want := valid(p), utf8.Valid(p); got != want {
							t.Fatalf("valid(% x) = %v, want %v", p, got, want)
						}
					}
				}
			}
		}
	})
}

// Four bytes at the borders of the table in RFC 3629, section 4, alone and across
// the border of two vectors.
//
// Checks 6455-138, 6455-139.
func TestValidKernelsExhaustive(t *testing.T) {
	borders := []byte{
		0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf,
		0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff,
	}
	eachValidator(t, func(t *testing.T, valid func([]byte) bool) {
		alone, across := guarded(t), bytes.Repeat([]byte("a"), 70)
		alone = alone[len(alone)-4:]
		for i := range len(borders) * len(borders) * len(borders) * len(borders) {
			for j := range alone {
				alone[j], i = borders[i%len(borders)], i/len(borders)
			}
			want := utf8.Valid(alone)
			copy(across[30:], alone)
			copy(across[61:], alone)
			if valid(alone) != want || valid(across) != want || valid(across[:34]) != want || valid(across[:65]) != want {
				t.Fatalf("valid(% x) in one of its places = %v, want %v", alone, !want, want)
			}
		}
	})
}
