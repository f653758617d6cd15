package handshake_test

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/seed-15847954/ropewalk/websocket/internal/handshake"
)

// Lists may be split over lines, and hold other things.
//
// Checks 6455-40, 6455-41.
func TestHasToken(t *testing.T) {
	for _, test := range []struct {
		lines []string
		want  bool
	}{
		{nil, false},
		{[]string{""}, false},
		{[]string{"upgrade"}, true},
		{[]string{"UpGrAdE"}, true},
		{[]string{"keep-alive, Upgrade"}, true},
		{[]string{"keep-alive ,\tUpgrade ,x"}, true},
		{[]string{"keep-alive", "Upgrade"}, true},
		{[]string{",,upgrade"}, true},
		{[]string{"upgrade-insecure"}, false},
		{[]string{"xupgrade"}, false},
		{[]string{"up", "grade"}, false},
		{[]string{"up grade"}, false},
		{[]string{"\"upgrade\""}, false},
		{[]string{"upgrade;q=1"}, false},
	} {
		if got := handshake.HasToken(test.lines, "upgrade"); got != test.want {
			t.Errorf("HasToken(%q, upgrade) = %v, want %v", test.lines, got, test.want)
		}
	}
	if handshake.HasToken([]string{"\u212aeep"}, "keep") {
		t.Error("HasToken takes the Kelvin sign for a K")
	}
}

// RFC 6455, section 4.2.1: base64 of 16 octets.
//
// Checks 6455-42.
func TestValidKey(t *testing.T) {
	for key, want := range map[string]bool{
		"dGhlIHNhbXBsZSBub25jZQ==": true,
		"AAAAAAAAAAAAAAAAAAAAAA==": true,
		base64.StdEncoding.EncodeToString([]byte(strings.Repeat("\xff", 16))): true,
		"":                                                  false,
		"dGhlIHNhbXBsZSBub25jZQ":                            false, // no padding
		"dGhlIHNhbXBsZSBub25jZQ=":                           false,
		"dGhlIHNhbXBsZSBub25jZQ===":                         false,
		"dGhlIHNhbXBsZSBub25jZQ== ":                         false,
		"dGhlIHNhbXBsZSBub25jZVg=":                          false, // 17 octets
		"dGhlIHNhbXBsZSBub25j":                              false, // 15 octets
		"dGhlIHNhbXBsZSBub25jZVgh":                          false, // 18 octets in 24 characters
		"_____________________w==":                          false, // base64url
		"-----------------------w==":                        false,
		"!!!!!!!!!!!!!!!!!!!!!!==":                          false,
		"dGhlIHNhbXBsZSBub25j\r\n==":                        false,
		"dGhlIHNhbXBsZSBub2\n5jZQ==":                        false,
		"dGhlIHNhbXBsZSBub25jZQ==,dGhlIHNhbXBsZSBub25jZQ==": false,
	} {
		if got := handshake.ValidKey(key); got != want {
			t.Errorf("ValidKey(%q) = %v, want %v", key, got, want)
		}
	}
}

// RFC 6455, section 4.1: 16 random octets, new each time.
//
// Checks 6455-19.
func TestNewKey(t *testing.T) {
	seen := make(map[string]bool)
	var bits [128]int
	const keys = 1000
	for range keys {
		key := handshake.NewKey()
		nonce, err := base64.StdEncoding.DecodeString(key)
		if err != nil || len(nonce) != 16 || seen[key] {
			t.Fatalf("NewKey() = %q: %d octets, %v, seen before %v", key, len(nonce), err, seen[key])
		}
		seen[key] = true
		for i := range bits {
			bits[i] += int(nonce[i/8]>>(i%8)) & 1
		}
	}
	// Eight standard deviations to either side: chance does not come here.
	if low, high := slices.Min(bits[:]), slices.Max(bits[:]); low < keys/2-126 || high > keys/2+126 {
		t.Errorf("a bit of NewKey() is 1 between %d and %d times in %d, want about half", low, high, keys)
	}
}

// RFC 6455, section 1.3: the example, and another hash of the same.
//
// Checks 6455-57.
func TestAccept(t *testing.T) {
	const want = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
	if got := handshake.Accept("dGhlIHNhbXBsZSBub25jZQ=="); got != want {
		t.Errorf("Accept(dGhlIHNhbXBsZSBub25jZQ==) = %q, want %q", got, want)
	}
}

// RFC 6455, sections 4.1 and 4.2.2: tokens, all different, over any lines; the
// client's order decides.
//
// Checks 6455-51, 6455-66.
func TestSubprotocols(t *testing.T) {
	for _, test := range []struct {
		lines  []string
		spoken []string
		want   string
	}{
		{nil, []string{"a"}, ""},
		{[]string{"a, b"}, []string{"b", "a"}, "a"},
		{[]string{"b, a"}, []string{"b", "a"}, "b"},
		{[]string{"x", "b,a"}, []string{"a", "b"}, "b"},
		{[]string{"a", "b"}, []string{"b"}, "b"},
		{[]string{"zzz"}, []string{"a"}, ""},
		{[]string{"A"}, []string{"a"}, ""},
		{[]string{"a"}, nil, ""},
	} {
		offered, err := handshake.ParseSubprotocols(test.lines)
		if got := handshake.SelectSubprotocol(offered, test.spoken); err != nil || got != test.want {
			t.Errorf("SelectSubprotocol(%q, %q) = %q, %v, want %q", test.lines, test.spoken, got, err, test.want)
		}
	}
	var many []string
	for i := range 65 {
		many = append(many, fmt.Sprint(i))
	}
	for _, lines := range [][]string{
		{""},
		{"a,"},
		{",a"},
		{"a,,b"},
		{"a b"},
		{"a/b"},
		{"é"},
		{"a,a"},
		{"a", "b", "a"},
		{"a\x00"},
		{`"a"`},
		{"a", ""},
		many,
		{strings.Repeat("a,", 100000)},
	} {
		if got, err := handshake.ParseSubprotocols(lines); err == nil {
			t.Errorf("ParseSubprotocols(%.40q) = %q, nil, want an error", lines, got)
		}
	}
}
