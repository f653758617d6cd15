package frame

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"testing"
)

// lengths has both sides of every border in the coding of a length.
var lengths = []uint64{
	0, 1, 124, 125, 126, 127, 128, 65534, 65535, 65536,
	1<<31 - 1, 1 << 31, 1<<31 + 1, 1<<32 - 1, 1 << 32, 1<<32 + 1,
	16 << 30, math.MaxInt64, 1 << 63, math.MaxUint64,
}

// eachHeader calls f with every opcode, FIN, RSV pattern and mask bit, at every
// length of lengths.
func eachHeader(f func(h Header)) {
	for opcode := range Opcode(16) {
		for bits := range 16 {
			h := Header{Fin: bits&8 != 0, RSV: uint8(bits&7) << 4, Opcode: opcode}
			for _, h.Length = range lengths {
				h.Masked, h.Key = false, 0
				f(h)
				h.Masked, h.Key = true, 0x78563412
				f(h)
			}
		}
	}
}

// headerSize is what RFC 6455, section 5.2, needs for h.
func headerSize(h Header) int {
	n := 2
	if h.Length > 65535 {
		n += 8
	} else if h.Length > 125 {
		n += 2
	}
	if h.Masked {
		n += 4
	}
	return n
}

// illegal returns the section of RFC 6455 that h breaks, or "".
func illegal(h Header) string {
	switch {
	case h.Opcode > 2 && h.Opcode < 8 || h.Opcode > 10:
		return "5.2"
	case h.Opcode >= 8 && !h.Fin:
		return "5.4"
	case h.Opcode >= 8 && h.Length > 125:
		return "5.5"
	case h.Length >= 1<<63:
		return "5.2"
	}
	return ""
}

// checkViolation fails the test unless err is an *Error with the code and section.
func checkViolation(t *testing.T, what string, err error, code CloseCode, section string) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.Code != code || e.Section != section {
		t.Errorf("%s: error = %#v, want code %d of section %s", what, err, code, section)
	}
}

// 5.2, 5.4 and 5.5: what is legal comes back as it was, in the shortest form, and
// the rest is an error.
//
// Checks 6455-77, 6455-78, 6455-80, 6455-87, 6455-95.
// Security 1.
func TestHeaderRoundTrip(t *testing.T) {
	eachHeader(func(h Header) {
		b := AppendHeader([]byte("before"), h)[len("before"):]
		if len(b) != headerSize(h) {
			t.Errorf("AppendHeader(%+v) = % x, want %d bytes", h, b, headerSize(h))
		}
		got, n, err := ParseHeader(append(b, "payload"...))
		if section := illegal(h); section != "" {
			checkViolation(t, fmt.Sprintf("ParseHeader(% x)", b), err, CloseProtocolError, section)
			if got != (Header{}) || n != 0 {
				t.Errorf("ParseHeader(% x) = %+v, %d, want nothing beside the error", b, got, n)
			}
			return
		}
		if got != h || n != len(b) || err != nil {
			t.Errorf("ParseHeader(% x) = %+v, %d, %v, want %+v, %d", b, got, n, err, h, len(b))
		}
	})
}

// A header that comes in part is asked for again, or refused as the whole is.
func TestHeaderPrefixes(t *testing.T) {
	eachHeader(func(h Header) {
		b := AppendHeader(nil, h)
		_, _, whole := ParseHeader(b)
		for i := range b {
			got, n, err := ParseHeader(b[:i])
			if got != (Header{}) || n != 0 {
				t.Errorf("ParseHeader(% x) = %+v, %d, want nothing", b[:i], got, n)
			}
			if err != nil && (whole == nil || err.Error() != whole.Error()) {
				t.Errorf("ParseHeader(% x) = %v, want %v or nil as of % x", b[:i], err, whole, b)
			}
		}
	})
}

// What the first two bytes break is refused without waiting for more.
func TestHeaderFailsEarly(t *testing.T) {
	for _, c := range []struct {
		b       []byte
		section string
	}{
		{[]byte{0x83}, "5.2"},
		{[]byte{0x0b}, "5.2"},
		{[]byte{0x09}, "5.4"},
		{[]byte{0x89, 0xfe}, "5.5"},
		{[]byte{0x88, 0x7f}, "5.5"},
	} {
		_, _, err := ParseHeader(c.b)
		checkViolation(t, fmt.Sprintf("ParseHeader(% x)", c.b), err, CloseProtocolError, c.section)
	}
}

// 5.2: the bytes of the RFC's own terms, so that both directions cannot be wrong
// together.
//
// Checks 6455-78.
func TestHeaderWireForm(t *testing.T) {
	for _, c := range []struct {
		h    Header
		want []byte
	}{
		{Header{Fin: true, Opcode: Text, Length: 125}, []byte{0x81, 125}},
		{Header{Opcode: Text, Length: 126}, []byte{0x01, 126, 0, 126}},
		{Header{Fin: true, Opcode: Binary, Length: 0x1234}, []byte{0x82, 126, 0x12, 0x34}},
		{Header{Fin: true, RSV: RSV1, Opcode: Binary, Length: 0x10000}, []byte{0xc2, 127, 0, 0, 0, 0, 0, 1, 0, 0}},
		{Header{RSV: RSV2, Length: 0x0102030405060708}, []byte{0x20, 127, 1, 2, 3, 4, 5, 6, 7, 8}},
		{Header{RSV: RSV3, Opcode: Pong, Masked: true, Key: 0x04030201}, []byte{0x1a, 0x80, 1, 2, 3, 4}},
		{
			Header{Fin: true, Opcode: Binary, Masked: true, Key: 0x04030201, Length: 200},
			[]byte{0x82, 0xfe, 0, 200, 1, 2, 3, 4},
		},
	} {
		if got := AppendHeader(nil, c.h); !bytes.Equal(got, c.want) {
			t.Errorf("AppendHeader(%+v) = % x, want % x", c.h, got, c.want)
		}
	}
}

// 5.2: the minimal number of bytes encodes a length. Taking more would let two
// parsers disagree about where a frame ends.
//
// Checks 6455-79.
// Security 1.
func TestHeaderLongForms(t *testing.T) {
	for _, b0 := range []byte{0x00, 0x01, 0x02, 0x80, 0x81, 0x82, 0xc1, 0xf2} {
		for _, mask := range []byte{0, 0x80} {
			for _, length := range []uint64{0, 1, 5, 124, 125} {
				b := binary.BigEndian.AppendUint16([]byte{b0, mask | 126}, uint16(length))
				_, _, err := ParseHeader(append(b, 1, 2, 3, 4))
				checkViolation(t, fmt.Sprintf("ParseHeader(% x)", b), err, CloseProtocolError, "5.2")
			}
			for _, length := range []uint64{0, 5, 125, 126, 127, 65534, 65535} {
				b := binary.BigEndian.AppendUint64([]byte{b0, mask | 127}, length)
				_, _, err := ParseHeader(append(b, 1, 2, 3, 4))
				checkViolation(t, fmt.Sprintf("ParseHeader(% x)", b), err, CloseProtocolError, "5.2")
			}
		}
	}
}

// Parse leaves the header alone unless it has a whole one.
func TestHeaderParseKeeps(t *testing.T) {
	kept := Header{Fin: true, RSV: RSV2, Opcode: Pong, Masked: true, Key: 7, Length: 8}
	whole := AppendHeader(nil, Header{Fin: true, Opcode: Text, Masked: true, Key: 1, Length: 1 << 40})
	bad := [][]byte{{0x83, 0}, {0x09, 0}, {0x89, 126}, {0x82, 126, 0, 5}, {0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0}}
	for i := range whole {
		bad = append(bad, whole[:i])
	}
	for _, b := range bad {
		h := kept
		if n, _ := h.Parse(b); n != 0 || h != kept {
			t.Errorf("Parse(% x) = %d and %+v, want 0 and %+v", b, n, h, kept)
		}
	}
}

func TestHeaderAllocatesNothing(t *testing.T) {
	b := make([]byte, 0, MaxHeader)
	h := Header{Fin: true, Opcode: Binary, Masked: true, Key: 1, Length: 1 << 40}
	allocs := testing.AllocsPerRun(100, func() {
		b = AppendHeader(b[:0], h)
		if got, _, _ := ParseHeader(b); got != h {
			t.Errorf("ParseHeader(% x) = %+v, want %+v", b, got, h)
		}
	})
	if allocs != 0 {
		t.Errorf("AppendHeader and ParseHeader allocate %v times, want 0", allocs)
	}
}

func TestOpcode(t *testing.T) {
	for opcode, want := range map[Opcode]struct {
		name           string
		control, known bool
	}{
		0:  {"continuation", false, true},
		1:  {"text", false, true},
		2:  {"binary", false, true},
		3:  {"opcode 0x3", false, false},
		7:  {"opcode 0x7", false, false},
		8:  {"close", true, true},
		9:  {"ping", true, true},
		10: {"pong", true, true},
		11: {"opcode 0xb", true, false},
		15: {"opcode 0xf", true, false},
	} {
		if got := opcode.String(); got != want.name {
			t.Errorf("Opcode(%d).String() = %q, want %q", uint8(opcode), got, want.name)
		}
		if got := opcode.Control(); got != want.control {
			t.Errorf("Opcode(%d).Control() = %v, want %v", uint8(opcode), got, want.control)
		}
		if got := opcode.Known(); got != want.known {
			t.Errorf("Opcode(%d).Known() = %v, want %v", uint8(opcode), got, want.known)
		}
	}
}

// FuzzParseHeader checks that a header that parses is the shortest encoding of
// itself, and that no prefix says anything else.
func FuzzParseHeader(f *testing.F) {
	for _, length := range lengths {
		f.Add(AppendHeader(nil, Header{Fin: true, Opcode: Binary, Length: length}))
		f.Add(AppendHeader(nil, Header{Opcode: Text, RSV: RSV1, Masked: true, Key: 7, Length: length}))
	}
	f.Add([]byte{0x82, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff})
	f.Add([]byte{0x89, 0x80, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		b = b[:min(len(b), MaxHeader+2)]
		h, n, err := ParseHeader(b)
		if n < 0 || n > min(len(b), MaxHeader) {
			t.Fatalf("ParseHeader(% x) has size %d", b, n)
		}
		if n > 0 {
			if got := AppendHeader(nil, h); !bytes.Equal(got, b[:n]) {
				t.Errorf("AppendHeader(ParseHeader(% x)) = % x", b[:n], got)
			}
			if section := illegal(h); section != "" {
				t.Errorf("ParseHeader(% x) = %+v, which section %s forbids", b[:n], h, section)
			}
		}
		failed := false
		for i := range b {
			_, size, early := ParseHeader(b[:i])
			switch {
			case early != nil && (err == nil || early.Error() != err.Error()):
				t.Errorf("ParseHeader(% x) = %v, of % x %v", b[:i], early, b, err)
			case early == nil && failed:
				t.Errorf("ParseHeader(% x) takes back an error", b[:i])
			case size > 0 && size != n || size == 0 && n > 0 && i >= n:
				t.Errorf("ParseHeader(% x) has size %d, of % x %d", b[:i], size, b, n)
			}
			failed = early != nil
		}
	})
}
