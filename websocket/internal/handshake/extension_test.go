package handshake_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/seed-15847954/ropewalk/websocket/internal/handshake"
)

func valued(name, value string) handshake.Param {
	return handshake.Param{Name: name, Value: value, HasValue: true}
}

// RFC 6455, section 9.1: the grammar, quoted values included.
//
// Checks 6455-60, 6455-64, 6455-141.
func TestParseExtensions(t *testing.T) {
	one := func(name string, params ...handshake.Param) []handshake.Extension {
		return []handshake.Extension{{Name: name, Params: params}}
	}
	deflate := one("permessage-deflate", handshake.Param{Name: "client_max_window_bits"}, valued("server_max_window_bits", "10"))
	for _, test := range []struct {
		lines []string
		want  []handshake.Extension
	}{
		{nil, nil},
		{[]string{"foo"}, one("foo")},
		{[]string{"foo; bar"}, one("foo", handshake.Param{Name: "bar"})},
		{[]string{`foo; bar="baz"`}, one("foo", valued("bar", "baz"))},
		{[]string{`foo; bar="b\az"`}, one("foo", valued("bar", "baz"))},
		{[]string{" \tfoo\t;\tbar = 1 "}, one("foo", valued("bar", "1"))},
		{[]string{"permessage-deflate; client_max_window_bits; server_max_window_bits=10"}, deflate},
		{[]string{`permessage-deflate;client_max_window_bits;server_max_window_bits="10"`}, deflate},
		{[]string{"foo, bar"}, []handshake.Extension{{Name: "foo"}, {Name: "bar"}}},
		{[]string{"foo", "bar"}, []handshake.Extension{{Name: "foo"}, {Name: "bar"}}},
		{[]string{"", "foo,", ",,bar"}, []handshake.Extension{{Name: "foo"}, {Name: "bar"}}},
	} {
		got, err := handshake.ParseExtensions(test.lines)
		if err != nil || !reflect.DeepEqual(got, test.want) {
			t.Errorf("ParseExtensions(%q) = %v, %v, want %v", test.lines, got, err, test.want)
		}
	}
}

// RFC 6455, section 9.1: what breaks the grammar is an error.
//
// Checks 6455-60.
// Security 7.
func TestParseExtensionsMalformed(t *testing.T) {
	for _, line := range []string{
		"", " ", ",", ";", "a;", "a;;b", "a; ;b", "a=", "a=1", "=x", `="x"`, "a; =x", "a; b=", "a; b=;c", "a; b=,c",
		`a; b="`, `a; b="x`, `a; b="\`, `a; b="x\`, `a; b=""`, `a; b="1 0"`, `a; b="1,0"`, `a; b="\""`, `a; b="x"y`, `a; "b"`, `"a"`,
		"a b", "a; b c", "a; b=c d", "a/b", "ä", "a\x00", "a; b=\x7f", "a:b", "a; b==c",
		strings.Repeat("a,", 17), "a" + strings.Repeat("; b", 17), "a" + strings.Repeat("; b=c", 10000), strings.Repeat("a,", 10000),
	} {
		if got, err := handshake.ParseExtensions([]string{line}); err == nil {
			t.Errorf("ParseExtensions(%.40q) = %v, nil, want an error", line, got)
		}
	}
}

// What ParseExtensions takes, it takes again when written plainly.
func FuzzParseExtensions(f *testing.F) {
	for _, s := range []string{
		"permessage-deflate", "permessage-deflate; client_max_window_bits; server_max_window_bits=10",
		`foo; bar="b\az", , permessage-deflate`, "a;;b", `a="`, "a; b=\"1 0\"",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := handshake.ParseExtensions([]string{s})
		if err != nil {
			return
		}
		again, err := handshake.ParseExtensions([]string{plain(got)})
		if err != nil || !reflect.DeepEqual(again, got) {
			t.Errorf("ParseExtensions(%q) = %v, %v, want %v", plain(got), again, err, got)
		}
		checkNegotiation(t, got)
	})
}

// plain writes extensions without quotes.
func plain(extensions []handshake.Extension) string {
	var elements []string
	for _, e := range extensions {
		s := e.Name
		for _, p := range e.Params {
			s += ";" + p.Name
			if p.HasValue {
				s += "=" + p.Value
			}
		}
		elements = append(elements, s)
	}
	return strings.Join(elements, ",")
}

// checkNegotiation checks that both sides agree about offers and their answer:
// whatever a server accepts, it answers with something well-formed.
func checkNegotiation(t *testing.T, offers []handshake.Extension) {
	server := &handshake.Deflate{WindowBits: 12, PeerWindowBits: 11}
	answer, agreed := server.AcceptDeflate(offers)
	if agreed == nil {
		return
	}
	if bits := agreed.ServerMaxWindowBits; bits < 8 || bits > 12 {
		t.Errorf("AcceptDeflate(%v): ServerMaxWindowBits = %d, want 8 to 12", offers, bits)
	}
	parsed, err := handshake.ParseExtensions([]string{answer})
	if err != nil || len(parsed) != 1 {
		t.Errorf("ParseExtensions(%q) = %v, %v, want one extension", answer, parsed, err)
	}
	for _, p := range parsed[0].Params {
		if p.Name == "client_max_window_bits" && !p.HasValue {
			t.Errorf("AcceptDeflate(%v) = %q, want a value for client_max_window_bits", offers, answer)
		}
	}
}
