package wire

import (
	"bytes"
	"testing"
)

// Messages come out the same however the stream is cut: plain, compressed, in
// fragments, with a Ping between them, and long.
func TestParserCutAnywhere(t *testing.T) {
	long := bytes.Repeat([]byte{7}, 70_000)
	stream := []byte{0x82, 1, 'a', 0x42, 1, 'b', 0x89, 1, 'p', 0x80, 1, 'c', 0xc2, 0}
	stream = AppendFrame(stream, long)
	want := []string{"a", "bc+", "+", string(long)}
	for _, step := range []int{1, 2, 3, 1000, len(stream)} {
		var p Parser
		var got []string
		for b := stream; len(b) > 0; b = b[min(step, len(b)):] {
			err := p.Parse(b[:min(step, len(b))], func(compressed bool, message []byte) error {
				m := string(message)
				if compressed {
					m += "+"
				}
				got = append(got, m)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		if len(got) != len(want) {
			t.Fatalf("in steps of %d: %d messages, want %d", step, len(got), len(want))
		}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("in steps of %d: message %d of %d bytes is wrong", step, i, len(got[i]))
			}
		}
	}
}

func TestParserRefuses(t *testing.T) {
	for _, stream := range [][]byte{{0x82, 0x80}, {0xa2, 0}, {0x80, 0}, {0x02, 0, 0x82, 0}, {0x88, 0}} {
		var p Parser
		if err := p.Parse(stream, func(bool, []byte) error { return nil }); err == nil {
			t.Errorf("Parse(% x): no error", stream)
		}
	}
}
