package frame

import (
	"encoding/binary"
	"math/bits"
)

// Mask masks or unmasks b in place (RFC 6455, section 5.3). The lowest byte of
// key is the first byte of the key on the wire. Mask returns the key turned so
// that it fits the byte that follows b: a payload that comes in pieces is
// masked by handing each piece the key that the last one returned.
func Mask(b []byte, key uint32) uint32 {
	xor(b, b, key)
	return bits.RotateLeft32(key, -8*(len(b)&3))
}

// MaskCopy writes src, masked or unmasked as by Mask, to the start of dst, and
// returns the key for the byte that follows. It panics if dst is shorter than
// src. The two may overlap if dst does not begin behind src.
func MaskCopy(dst, src []byte, key uint32) uint32 {
	if len(dst) < len(src) {
		panic("frame: MaskCopy to a slice shorter than its source")
	}
	xor(dst[:len(src)], src, key)
	return bits.RotateLeft32(key, -8*(len(src)&3))
}

// xorPlain is xor in plain Go.
func xorPlain(dst, src []byte, key uint32) {
	k := uint64(key)<<32 | uint64(key)
	for len(src) >= 32 && len(dst) >= 32 {
		a := binary.LittleEndian.Uint64(src)
		b := binary.LittleEndian.Uint64(src[8:])
		c := binary.LittleEndian.Uint64(src[16:])
		d := binary.LittleEndian.Uint64(src[24:])
		binary.LittleEndian.PutUint64(dst, a^k)
		binary.LittleEndian.PutUint64(dst[8:], b^k)
		binary.LittleEndian.PutUint64(dst[16:], c^k)
		binary.LittleEndian.PutUint64(dst[24:], d^k)
		src, dst = src[32:], dst[32:]
	}
	for len(src) >= 8 && len(dst) >= 8 {
		binary.LittleEndian.PutUint64(dst, binary.LittleEndian.Uint64(src)^k)
		src, dst = src[8:], dst[8:]
	}
	if len(src) >= 4 && len(dst) >= 4 {
		binary.LittleEndian.PutUint32(dst, binary.LittleEndian.Uint32(src)^key)
		src, dst = src[4:], dst[4:]
	}
	for i := range min(len(src), len(dst)) {
		dst[i] = src[i] ^ byte(key)
		key >>= 8
	}
}
