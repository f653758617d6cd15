package frame

import (
	"encoding/binary"
	"math/bits"
)

// Mask masks or unmasks b in place (RFC 6455, section 5.3). The lowest byte of
// key is the first byte of the key on the wire. Mask returns the key turned so
// that it fits the byte that follows b: a payload that comes in pieces is
// masked by handing each piece the key that the last one returned.
func Mask(b []byte, key uint32) uint32 { return mask(b, key) }

// MaskCopy writes src, masked or unmasked as by Mask, to the start of dst, and
// returns the key for the byte that follows. It panics if dst is shorter than
// src. The two may overlap if dst does not begin behind src.
func MaskCopy(dst, src []byte, key uint32) uint32 {
	if len(dst) < len(src) {
		panic("frame: MaskCopy to a slice shorter than its source")
	}
	return maskCopy(dst[:len(src)], src, key)
}

// maskPlain is mask in plain Go.
func maskPlain(b []byte, key uint32) uint32 {
	k := uint64(key)<<32 | uint64(key)
	for len(b) >= 32 {
		binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)^k)
		binary.LittleEndian.PutUint64(b[8:], binary.LittleEndian.Uint64(b[8:])^k)
		binary.LittleEndian.PutUint64(b[16:], binary.LittleEndian.Uint64(b[16:])^k)
		binary.LittleEndian.PutUint64(b[24:], binary.LittleEndian.Uint64(b[24:])^k)
		b = b[32:]
	}
	for len(b) >= 8 {
		binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)^k)
		b = b[8:]
	}
	for i := range b {
		b[i] ^= byte(key)
		key = bits.RotateLeft32(key, -8)
	}
	return key
}
