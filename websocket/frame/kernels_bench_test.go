package frame

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

var benchmarkSizes = []int{16, 64, 125, 128, 1 << 10, 64 << 10}

var benchmarkTexts = []struct{ name, unit string }{
	{"ASCII", "The quick brown fox jumps over the lazy dog. "},
	{"Latin", "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich. "},
	{"Cyrillic", "Съешь же ещё этих мягких французских булок, да выпей чаю. "},
	{"CJK", "色は匂へど散りぬるを我が世誰ぞ常ならむ"},
	{"Emoji", "😀😃😄😁😆😅😂🤣😊😇🙂🙃😉😌😍🥰"},
	{"Mixed", `{"user":"Ирина","text":"привет, 世界! 👋","at":1700000000,"room":"general"},`},
}

// benchmarkText is as much of a text as fits n bytes, filled up with spaces.
func benchmarkText(unit string, n int) []byte {
	text := strings.Repeat(unit, n/len(unit)+1)[:n]
	for !utf8.ValidString(text) {
		text = text[:len(text)-1]
	}
	return []byte(text + strings.Repeat(" ", n-len(text)))
}

func BenchmarkValidUTF8(b *testing.B) {
	validators := []struct {
		name string
		f    func([]byte) bool
	}{
		{"frame", ValidUTF8},
		{"unicode", utf8.Valid},
		{"pieces", func(p []byte) bool { var u UTF8; return u.Valid(p) && u.Complete() }},
	}
	for _, text := range benchmarkTexts {
		for _, n := range benchmarkSizes {
			p := benchmarkText(text.unit, n)
			for _, v := range validators {
				b.Run(fmt.Sprintf("%s/%d/%s", text.name, n, v.name), func(b *testing.B) {
					b.SetBytes(int64(n))
					for b.Loop() {
						if !v.f(p) {
							b.Fatal("invalid")
						}
					}
				})
			}
		}
	}
}

// A payload is masked once, so the benchmark goes round many of them: one that has
// just been written would be waited for.
func BenchmarkMask(b *testing.B) {
	maskers := []struct {
		name string
		f    func(dst, src []byte)
	}{
		{"Mask", func(dst, _ []byte) { Mask(dst, 0xfa37213d) }},
		{"plain", func(dst, _ []byte) { maskPlain(dst, 0xfa37213d) }},
		{"MaskCopy", func(dst, src []byte) { MaskCopy(dst, src, 0xfa37213d) }},
		{"copy+Mask", func(dst, src []byte) { copy(dst, src); Mask(dst, 0xfa37213d) }},
	}
	for _, n := range append([]int{8}, append(benchmarkSizes, 1<<20)...) {
		var payloads [32][]byte
		src := pattern(n)
		for i := range payloads {
			payloads[i] = make([]byte, n+6)[6:] // behind a short masked header
			if n > 1<<10 {
				payloads[i] = payloads[0]
			}
		}
		for _, m := range maskers {
			b.Run(fmt.Sprintf("%d/%s", n, m.name), func(b *testing.B) {
				b.SetBytes(int64(n))
				i := 0
				for b.Loop() {
					m.f(payloads[i%len(payloads)], src)
					i++
				}
			})
		}
	}
}
