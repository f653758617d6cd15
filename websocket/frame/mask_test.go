package frame

import (
	"bytes"
	"testing"
)

// maskByOctet is section 5.3 word for word: octet i of the payload is XORed with
// octet i modulo 4 of the key, which are given as they stand on the wire.
func maskByOctet(b []byte, wire [4]byte) {
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
				maskByOctet(want[align:align+n], wireKey(key))
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
			maskByOctet(want, wireKey(key))
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

// MaskCopy leaves src and what lies behind its copy alone, and takes a dst that
// begins before src in the same array.
//
// Checks 6455-82, 6455-84.
func TestMaskCopy(t *testing.T) {
	const key = 0xfa37213d
	for n := range 201 {
		src, dst := pattern(n), bytes.Repeat([]byte{0xee}, n+40)
		want := pattern(n)
		maskByOctet(want, wireKey(key))
		next := MaskCopy(dst, src, key)
		if !bytes.Equal(dst[:n], want) || !bytes.Equal(src, pattern(n)) || bytes.Count(dst[n:], []byte{0xee}) != 40 {
			t.Fatalf("MaskCopy(%d bytes) = % x, want % x", n, dst, want)
		}
		if mask := Mask(src, key); next != mask {
			t.Fatalf("MaskCopy(%d bytes) = %#x, want %#x", n, next, mask)
		}
		for _, shift := range []int{0, 1, 7, 16, 31, 33, 64} {
			buf := append(make([]byte, shift), pattern(n)...)
			if MaskCopy(buf, buf[shift:], key); !bytes.Equal(buf[:n], want) {
				t.Fatalf("MaskCopy(%d bytes to %d before) = % x, want % x", n, shift, buf[:n], want)
			}
		}
	}
}

func TestMaskCopyToLess(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("MaskCopy to a shorter slice did not panic")
		}
	}()
	MaskCopy(make([]byte, 9, 10), make([]byte, 10), 1)
}

// FuzzMask compares Mask, in pieces, with the plain loop, and each kernel on all of
// the payload, copied by to bytes towards the start.
func FuzzMask(f *testing.F) {
	f.Add([]byte{}, uint32(0), uint8(0), uint8(0), uint8(0))
	f.Add([]byte("Hello"), uint32(0x3d21fa37), uint8(2), uint8(1), uint8(0))
	f.Add(pattern(32), uint32(0x01020304), uint8(8), uint8(32), uint8(1))
	f.Add(pattern(200), uint32(0xffffffff), uint8(33), uint8(77), uint8(31))
	f.Add(pattern(700), uint32(0x80000001), uint8(255), uint8(255), uint8(130))
	f.Fuzz(func(t *testing.T, p []byte, key uint32, a, b, by uint8) {
		want := bytes.Clone(p)
		maskByOctet(want, wireKey(key))
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
		for _, kernel := range kernels(t) {
			memory := append(make([]byte, by), p...)
			if kernel.mask(memory[:len(p)], memory[by:], key); !bytes.Equal(memory[:len(p)], want) {
				t.Errorf("%s of % x to %d before = % x, want % x", kernel.name, p, by, memory[:len(p)], want)
			}
		}
	})
}
