package wire

import (
	"bytes"
	"testing"
)

func TestMessagesOfStream(t *testing.T) {
	for _, size := range []int{0, 1, 125, 126, 65535, 65536} {
		for _, masked := range []bool{false, true} {
			stream, payloads := Stream(size, 3, masked)
			got, err := Messages(stream, masked)
			if err != nil || len(got) != len(payloads) {
				t.Fatalf("Messages(Stream(%d, 3, %t)) = %d messages, %v, want 3", size, masked, len(got), err)
			}
			for i := range got {
				if !bytes.Equal(got[i], payloads[i]) {
					t.Errorf("Messages(Stream(%d, 3, %t))[%d] is not the payload", size, masked, i)
				}
			}
		}
	}
}

func TestMessages(t *testing.T) {
	tests := []struct {
		name   string
		stream string
		masked bool
		want   string // of one message
		ok     bool
	}{
		{"fragmented", "\x02\x01a\x80\x02bc", false, "abc", true},
		{"masked", "\x82\x81\x01\x00\x00\x00`", true, "a", true},
		{"mask missing", "\x82\x01a", true, "", false},
		{"mask not expected", "\x82\x81\x01\x00\x00\x00`", false, "", false},
		{"reserved bit", "\xc2\x01a", false, "", false},
		{"text", "\x81\x01a", false, "", false},
		{"continuation of nothing", "\x80\x01a", false, "", false},
		{"cut header", "\x82", false, "", false},
		{"cut length", "\x82\x7e\x00", false, "", false},
		{"cut payload", "\x82\x02a", false, "", false},
		{"no last fragment", "\x02\x01a", false, "", false},
	}
	for _, tt := range tests {
		got, err := Messages([]byte(tt.stream), tt.masked)
		if (err == nil) != tt.ok {
			t.Errorf("%s: Messages(%q) error = %v, want success %t", tt.name, tt.stream, err, tt.ok)
			continue
		}
		if tt.ok && (len(got) != 1 || string(got[0]) != tt.want) {
			t.Errorf("%s: Messages(%q) = %q, want [%q]", tt.name, tt.stream, got, tt.want)
		}
	}
}
