// The race detector does not see what assembly reads and writes: under it the plain
// code runs, so that it finds races for a payload.

//go:build !amd64 || purego || race

package frame

import "unicode/utf8"

// mask is Mask.
func mask(b []byte, key uint32) uint32 { return maskPlain(b, key) }

// maskCopy is MaskCopy to as much as there is to copy.
func maskCopy(dst, src []byte, key uint32) uint32 {
	copy(dst, src)
	return maskPlain(dst, key)
}

// valid is utf8.Valid.
func valid(p []byte) bool { return utf8.Valid(p) }
