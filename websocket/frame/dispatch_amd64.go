//go:build !purego && !race

package frame

import "unicode/utf8"

// From here on a kernel of that vector size is worth its call.
const (
	fromSSE2 = 16
	fromAVX2 = 64
)

// xor writes src XORed with key to dst, which is as long.
func xor(dst, src []byte, key uint32) {
	switch n := len(src); {
	case n < fromSSE2 || len(dst) < n:
		xorPlain(dst, src, key)
	case n >= fromAVX2 && hasAVX2:
		maskAVX2(&dst[0], &src[0], n, key)
	default:
		maskSSE2(&dst[0], &src[0], n, key)
	}
}

func valid(p []byte) bool {
	if hasAVX2 {
		return validAVX2(p)
	}
	return utf8.Valid(p)
}
