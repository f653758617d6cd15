// The race detector does not see what assembly reads and writes: under it the plain
// code runs, so that it finds races for a payload.

//go:build !amd64 || purego || race

package frame

import "unicode/utf8"

// xor writes src XORed with key to dst, which is as long.
func xor(dst, src []byte, key uint32) { xorPlain(dst, src, key) }

func valid(p []byte) bool { return utf8.Valid(p) }
