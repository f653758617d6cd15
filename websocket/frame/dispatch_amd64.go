//go:build !purego && !race

package frame

import (
	"unicode/utf8"
	"unsafe"
)

// mask is Mask.
func mask(b []byte, key uint32) uint32 {
	p := unsafe.SliceData(b)
	return maskVectors(p, p, len(b), key, hasAVX2)
}

// maskCopy is MaskCopy to as much as there is to copy.
func maskCopy(dst, src []byte, key uint32) uint32 {
	return maskVectors(unsafe.SliceData(dst), unsafe.SliceData(src), len(src), key, hasAVX2)
}

// valid is utf8.Valid.
func valid(p []byte) bool {
	if len(p) < fewest || !hasAVX2 {
		return utf8.Valid(p)
	}
	return validAVX2(p)
}
