//go:build !purego

package frame

import (
	"testing"
	"unsafe"
)

// kernels are called as they are, whatever this build calls: the race detector
// does without them.
func kernels(t testing.TB) []kernel {
	if !hasAVX2 {
		t.Skip("this processor has no AVX2: its kernels are not tested")
	}
	vectors := func(avx2 bool) func(dst, src []byte, key uint32) uint32 {
		return func(dst, src []byte, key uint32) uint32 {
			return maskVectors(unsafe.SliceData(dst), unsafe.SliceData(src), len(src), key, avx2)
		}
	}
	long := func(p []byte) bool { return len(p) < fewest && valid(p) || len(p) >= fewest && validAVX2(p) }
	return []kernel{
		{name: "SSE2", mask: vectors(false)},
		{name: "AVX2", mask: vectors(true), valid: long},
		{name: "this build", mask: maskCopy, valid: valid},
		{name: "plain", mask: maskCopyPlain},
	}
}
