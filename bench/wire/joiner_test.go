package wire

import (
	"bytes"
	"fmt"
	"testing"
)

// A stream that is cut at any byte gives the same messages.
func TestJoiner(t *testing.T) {
	long := bytes.Repeat([]byte("x"), 300)
	var stream []byte
	stream = append(stream, 0x81, 2, 'h', 'i')
	stream = append(stream, 0x01, 1, 'a') // a fragmented message, with a ping in it
	stream = append(stream, 0x89, 1, '!')
	stream = append(stream, 0x80, 1, 'b')
	stream = AppendFrame(stream, long)
	want := fmt.Sprintf("1 hi, 9 !, 1 ab, 2 %s, ", long)
	for cut := range stream {
		var j Joiner
		var got bytes.Buffer
		for _, part := range [][]byte{stream[:cut], stream[cut:]} {
			if err := j.Take(part, func(opcode byte, payload []byte) error {
				_, err := fmt.Fprintf(&got, "%d %s, ", opcode, payload)
				return err
			}); err != nil {
				t.Fatalf("cut at %d: %v", cut, err)
			}
		}
		if got.String() != want {
			t.Errorf("cut at %d: %q, want %q", cut, got.String(), want)
		}
	}
}

func TestJoinerRefuses(t *testing.T) {
	for _, frame := range []string{
		"\x80\x00",         // the end of nothing
		"\x01\x00\x81\x00", // a message within another
		"\xc1\x00",         // RSV1
		"\x81\x80\x00\x00\x00\x00",
	} {
		var j Joiner
		if err := j.Take([]byte(frame), func(byte, []byte) error { return nil }); err == nil {
			t.Errorf("Take(%x): no error", frame)
		}
	}
}
