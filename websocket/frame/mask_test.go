package frame

import (
	"bytes"
	"testing"
)

// maskPlain is section 5.3 word for word: octet i of the payload is XORed with
// octet i modulo 4 of the key, which are given as they stand on the wire.
func maskPlain(b []byte, wire [4]byte) {
	for i := range b {
		b[i] ^= wire[i%4]
	}
}

// wireKey returns the bytes that AppendHeader writes for key.
func wireKey(key uint32) (wire [4]byte) {
	copy(wire[:], AppendHeader(nil, Header{Masked: true, Key: key})[2:])
	return wire
}

func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8)
	}
	return b
}

var maskTestKeys = []uint32{0, 1, 0x80000000, 0x01020304, 0xfa37213d, 0xffffffff}

// Checks 6455-82, 6455-84.
func TestMaskWholePieces(t *testing.T) {
	for _, key := range maskTestKeys {
		for n := range 201 {
			for align := range 9 {
				buf := pattern(align + n + 9)
				want := bytes.Clone(buf)
				maskPlain(want[align:align+n], wireKey(key))
				Mask(buf[align:align+n], key)
				if !bytes.Equal(buf, want) {
					t.Fatalf("Mask(%d bytes at %d, %#x) = % x, want % x", n, align, key, buf, want)
				}
			}
		}
	}
}

// A payload that comes in pieces is unmasked as if it had come whole.
//
// Checks 6455-84.
func TestMaskPieces(t *testing.T) {
	for _, key := range maskTestKeys {
		for n := range 201 {
			want := pattern(n)
			maskPlain(want, wireKey(key))
			for cut := range n + 1 {
				got := pattern(n)
				Mask(got[cut:], Mask(got[:cut], key))
				if !bytes.Equal(got, want) {
					t.Fatalf("Mask(%d and %d bytes, %#x) = % x, want % x", cut, n-cut, key, got, want)
				}
			}
			for _, step := range []int{1, 2, 3, 5, 7, 9, 33} {
				got, k := pattern(n), key
				for at := 0; at < n; at += step {
					k = Mask(got[at:min(at+step, n)], k)
				}
				if !bytes.Equal(got, want) {
					t.Fatalf("Mask(%d bytes by %d, %#x) = % x, want % x", n, step, key, got, want)
				}
			}
		}
	}
}

// RFC 6455, section 5.7: "Hello" in a single-frame masked text message.
//
// Checks 6455-82, 6455-84.
func TestMaskExample(t *testing.T) {
	b := []byte{0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58}
	h, n, err := ParseHeader(b)
	if err != nil || n != 6 || !h.Masked || h.Length != 5 {
		t.Fatalf("ParseHeader(% x) = %+v, %d, %v", b, h, n, err)
	}
	Mask(b[n:], h.Key)
	if got := string(b[n:]); got != "Hello" {
		t.Errorf("Mask = %q, want %q", got, "Hello")
	}
}

// FuzzMask compares Mask, in pieces, with the plain loop.
func FuzzMask(f *testing.F) {
	f.Add([]byte{}, uint32(0), uint8(0), uint8(0))
	f.Add([]byte("Hello"), uint32(0x3d21fa37), uint8(2), uint8(1))
	f.Add(pattern(32), uint32(0x01020304), uint8(8), uint8(32))
	f.Add(pattern(200), uint32(0xffffffff), uint8(33), uint8(77))
	f.Fuzz(func(t *testing.T, p []byte, key uint32, a, b uint8) {
		want := bytes.Clone(p)
		maskPlain(want, wireKey(key))
		got := bytes.Clone(p)
		first := min(int(a), len(p))
		second := min(first+int(b), len(p))
		k := Mask(got[:first], key)
		k = Mask(got[first:second], k)
		k = Mask(got[second:], k)
		if !bytes.Equal(got, want) {
			t.Errorf("Mask(% x, %#x) cut at %d and %d = % x, want % x", p, key, first, second, got, want)
		}
		if next := wireKey(k); next[0] != wireKey(key)[len(p)%4] {
			t.Errorf("Mask of %d bytes turns key %#x to %#x", len(p), key, k)
		}
	})
}
