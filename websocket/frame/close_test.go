package frame

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

// 7.4.1, 7.4.2 and the registry of 11.7. 1004, 1005, 1006 and 1015 are reserved,
// 1012 to 1014 were registered since.
//
// Checks 6455-133, 6455-136, 6455-137.
func TestCloseCodeSendable(t *testing.T) {
	defined := map[int]bool{
		1000: true, 1001: true, 1002: true, 1003: true, 1007: true, 1008: true, 1009: true,
		1010: true, 1011: true, 1012: true, 1013: true, 1014: true,
	}
	for code := range 1 << 16 {
		want := defined[code] || code >= 3000 && code <= 4999
		if got := CloseCode(code).Sendable(); got != want {
			t.Errorf("CloseCode(%d).Sendable() = %v, want %v", code, got, want)
		}
	}
}

// Every code, received without and with a reason.
//
// Checks 6455-133, 6455-136, 6455-137.
func TestParseCloseCodes(t *testing.T) {
	for code := range 1 << 16 {
		for _, reason := range []string{"", "why"} {
			p := append(binary.BigEndian.AppendUint16(nil, uint16(code)), reason...)
			got, gotReason, err := ParseClose(p)
			if !CloseCode(code).Sendable() {
				checkViolation(t, fmt.Sprintf("ParseClose(% x)", p), err, CloseProtocolError, "7.4")
				continue
			}
			if got != CloseCode(code) || gotReason != reason || err != nil {
				t.Errorf("ParseClose(% x) = %d, %q, %v, want %d, %q", p, got, gotReason, err, code, reason)
			}
		}
	}
}

// Checks 6455-96, 6455-97, 6455-122.
func TestParseClose(t *testing.T) {
	code, reason, err := ParseClose(nil)
	if code != CloseNoStatus || reason != "" || err != nil {
		t.Errorf("ParseClose(nil) = %d, %q, %v, want 1005", code, reason, err)
	}
	longest := "\x0b\xb8" + strings.Repeat("é", 61) + "!"
	code, reason, err = ParseClose([]byte(longest))
	if code != 3000 || reason != longest[2:] || err != nil {
		t.Errorf("ParseClose(%q) = %d, %q, %v, want 3000, %q", longest, code, reason, err, longest[2:])
	}
	for b := range 256 {
		p := []byte{byte(b)}
		_, _, err := ParseClose(p)
		checkViolation(t, fmt.Sprintf("ParseClose(% x)", p), err, CloseProtocolError, "5.5.1")
	}
	for _, reason := range invalidTexts {
		p := append([]byte{0x03, 0xe8}, reason...)
		_, _, err := ParseClose(p)
		checkViolation(t, fmt.Sprintf("ParseClose(% x)", p), err, CloseInvalidPayload, "8.1")
	}
}

// 1005 is how the lack of a code is called; it is not on the wire.
//
// Checks 6455-97, 6455-122, 6455-133.
func TestAppendClose(t *testing.T) {
	for _, c := range []struct {
		code   CloseCode
		reason string
		want   string
	}{
		{CloseNoStatus, "", "x"},
		{CloseNoStatus, "lost", "x"},
		{CloseNormal, "", "x\x03\xe8"},
		{4999, "bye", "x\x13\x87bye"},
		{CloseGoingAway, "a\xff", "x\x03\xe9a\uFFFD"},
		{CloseGoingAway, strings.Repeat("a", 124), "x\x03\xe9" + strings.Repeat("a", 123)},
	} {
		if got := AppendClose([]byte("x"), c.code, c.reason); string(got) != c.want {
			t.Errorf("AppendClose(%d, %q) = %q, want %q", c.code, c.reason, got, c.want)
		}
	}
}

// The longest reason leaves a control frame of 125 bytes.
//
// Checks 6455-94, 6455-97.
func TestCutReason(t *testing.T) {
	for _, char := range []string{"a", "é", "€", "🙂", "a€", "🙂é", "\xff", "é\xc3", "\uFFFD"} {
		for n := range 130 {
			for lead := range 5 {
				checkCut(t, strings.Repeat("x", lead)+strings.Repeat(char, n))
			}
		}
	}
}

// checkCut checks that CutReason takes all the runes that fit, and no more.
func checkCut(t *testing.T, reason string) {
	t.Helper()
	want := ""
	for _, r := range strings.ToValidUTF8(reason, "\uFFFD") {
		if len(want)+utf8.RuneLen(r) > 123 {
			break
		}
		want += string(r)
	}
	if got := CutReason(reason); got != want {
		t.Errorf("CutReason(%q) = %q, want %q", reason, got, want)
	}
}

func TestCloseCodeString(t *testing.T) {
	for code, want := range map[CloseCode]string{
		1000: "1000 normal closure",
		1001: "1001 going away",
		1002: "1002 protocol error",
		1003: "1003 unsupported data",
		1004: "1004",
		1005: "1005 no status received",
		1006: "1006 abnormal closure",
		1007: "1007 invalid payload data",
		1008: "1008 policy violation",
		1009: "1009 message too big",
		1010: "1010 mandatory extension missing",
		1011: "1011 internal error",
		1012: "1012 service restart",
		1013: "1013 try again later",
		1014: "1014 bad gateway",
		1015: "1015 TLS handshake failure",
		4000: "4000",
	} {
		if got := code.String(); got != want {
			t.Errorf("CloseCode(%d).String() = %q, want %q", uint16(code), got, want)
		}
	}
}

func TestErrorString(t *testing.T) {
	err := &Error{Code: CloseProtocolError, Section: "5.2", Reason: "reserved opcode 0x3"}
	if got, want := err.Error(), "reserved opcode 0x3 (section 5.2)"; got != want {
		t.Errorf("Error() = %q, want %q", got, want)
	}
}

// FuzzParseClose checks that what is taken can be sent again as it was, and that
// what is refused breaks a rule.
func FuzzParseClose(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{3})
	f.Add([]byte{0x03, 0xe8})
	f.Add([]byte("\x03\xedno"))
	f.Add([]byte("\x0f\xa0\xce\xba\xe1\xbd\xb9\xcf\x83"))
	f.Add([]byte("\x03\xe8\xed\xa0\x80"))
	f.Add(append([]byte{0x03, 0xf6}, strings.Repeat("€", 41)...))
	f.Fuzz(func(t *testing.T, p []byte) {
		code, reason, err := ParseClose(p)
		legal := len(p) == 0 ||
			len(p) > 1 && CloseCode(binary.BigEndian.Uint16(p)).Sendable() && utf8.Valid(p[2:])
		if (err == nil) != legal {
			t.Fatalf("ParseClose(% x) = %d, %q, %v", p, code, reason, err)
		}
		if err != nil || len(p) > MaxControlPayload {
			return
		}
		if got := AppendClose(nil, code, reason); !bytes.Equal(got, p) {
			t.Errorf("AppendClose(ParseClose(% x)) = % x", p, got)
		}
	})
}
