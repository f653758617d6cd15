package frame

import (
	"fmt"
	"testing"
)

// The headers that servers send and clients send, with each form of the length.
func BenchmarkParseHeader(b *testing.B) {
	var kept Header
	parsers := []struct {
		name string
		f    func(text []byte) (int, error)
	}{
		{"Parse", func(text []byte) (int, error) { return kept.Parse(text) }},
		{"ParseHeader", func(text []byte) (n int, err error) { kept, n, err = ParseHeader(text); return n, err }},
	}
	for _, masked := range []bool{false, true} {
		for _, length := range []uint64{100, 1000, 100_000} {
			text := AppendHeader(nil, Header{Fin: true, Opcode: Binary, Masked: masked, Key: 0xfa37213d, Length: length})
			for _, parser := range parsers {
				b.Run(fmt.Sprintf("%d/masked=%v/%s", length, masked, parser.name), func(b *testing.B) {
					for b.Loop() {
						if _, err := parser.f(text); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
		}
	}
}

func BenchmarkAppendHeader(b *testing.B) {
	buf := make([]byte, 0, MaxHeader)
	for _, masked := range []bool{false, true} {
		for _, length := range []uint64{100, 1000, 100_000} {
			h := Header{Fin: true, Opcode: Binary, Masked: masked, Key: 0xfa37213d, Length: length}
			b.Run(fmt.Sprintf("%d/masked=%v", length, masked), func(b *testing.B) {
				for b.Loop() {
					AppendHeader(buf, h)
				}
			})
		}
	}
}
