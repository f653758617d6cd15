//go:build !purego

package frame

// fewest bytes are what validAVX2 needs, and worth its call.
const fewest = 4

// hasAVX2 says that the processor has AVX2 and that the operating system keeps its
// registers.
var hasAVX2 = detectAVX2()

func detectAVX2() bool {
	const (
		xsave = 1 << 27 // leaf 1, ECX: the system uses XSAVE, and XGETBV is there
		avx   = 1 << 28 // leaf 1, ECX
		ymm   = 1<<1 | 1<<2
		avx2  = 1 << 5 // leaf 7, EBX
	)
	if leaves, _, _, _ := cpuid(0, 0); leaves < 7 {
		return false
	}
	if _, _, ecx, _ := cpuid(1, 0); ecx&xsave == 0 || ecx&avx == 0 {
		return false
	}
	if kept, _ := xgetbv(); kept&ymm != ymm {
		return false
	}
	_, ebx, _, _ := cpuid(7, 0)
	return ebx&avx2 != 0
}
