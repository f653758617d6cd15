package jsonscan

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

const depth = 64

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		in   string
		want string // the error, or empty
	}{
		{`{}`, ""},
		{" \t\r\n[1, -0.5e+3, \"a\\u00e9\\n\", true, false, null, {\"k\":[]}] ", ""},
		{``, "JSON: unexpected end at byte 0"},
		{`{"a":1}}`, "JSON: something behind the value at byte 7"},
		{`{"a":1} {}`, "JSON: something behind the value at byte 8"},
		{`{a:1}`, "JSON: no member name at byte 1"},
		{`{"a" 1}`, "JSON: no colon at byte 5"},
		{`{"a":1,}`, "JSON: no member name at byte 7"},
		{`[1,]`, "JSON: no value at byte 3"},
		{`[1 2]`, "JSON: neither comma nor end at byte 3"},
		{`01`, "JSON: something behind the value at byte 1"},
		{`-`, "JSON: unexpected end at byte 1"},
		{`1.x`, "JSON: no digit at byte 2"},
		{`1e`, "JSON: unexpected end at byte 2"},
		{`tru`, "JSON: unexpected end at byte 3"},
		{`NaN`, "JSON: no value at byte 0"},
		{"\"a\nb\"", "JSON: control character in a string at byte 2"},
		{"\"\xff\"", "JSON: not UTF-8 at byte 1"},
		{"\"\xed\xa0\x80\"", "JSON: not UTF-8 at byte 1"},
		{`"\x"`, "JSON: no such escape at byte 2"},
		{`"\u12g4"`, "JSON: no hexadecimal digit at byte 5"},
		{`"abc`, "JSON: unexpected end at byte 4"},
		{"\ufeff{}", "JSON: no value at byte 0"},
		{strings.Repeat("[", depth) + strings.Repeat("]", depth), ""},
		{strings.Repeat("[", depth+1) + strings.Repeat("]", depth+1), "JSON: nested too deep at byte 64"},
		{strings.Repeat(`{"a":`, depth+1), "JSON: nested too deep at byte 320"},
	} {
		got := ""
		if err := Check([]byte(c.in), depth); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("Check(%q) = %q, want %q", c.in, got, c.want)
		}
	}
}

func TestMembers(t *testing.T) {
	var got []string
	in := ` { "a" : 1 , "b\u0063" : {"x":[1,2]} , "":"\"}" } `
	err := Members([]byte(in), func(name string, value []byte) error {
		got = append(got, name+"="+string(value))
		return nil
	})
	want := `a=1|bc={"x":[1,2]}|="\"}"`
	if joined := strings.Join(got, "|"); err != nil || joined != want {
		t.Errorf("Members(%s) = %s, %v, want %s", in, joined, err, want)
	}
}

func TestMembersRefuses(t *testing.T) {
	ignore := func(string, []byte) error { return nil }
	for _, c := range []struct {
		in   string
		want error
	}{
		{`[]`, ErrType},
		{`1`, ErrType},
		{`{"a":1,"a":2}`, ErrDuplicate},
		{`{"a":1,"\u0061":2}`, ErrDuplicate},
	} {
		if err := Members([]byte(c.in), ignore); !errors.Is(err, c.want) {
			t.Errorf("Members(%s) = %v, want %v", c.in, err, c.want)
		}
	}
	stop := errors.New("stop")
	if err := Members([]byte(`{"a":1}`), func(string, []byte) error { return stop }); err != stop {
		t.Errorf("Members = %v, want the error of the callback", err)
	}
}

func TestString(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{`""`, ""},
		{`"plain é"`, "plain é"},
		{`"\"\\\/\b\f\n\r\t"`, "\"\\/\b\f\n\r\t"},
		{`"\u00e9\uD83D\uDE00x"`, "é😀x"},
		{`"\ufffd"`, "\ufffd"},
	} {
		if got, err := String([]byte(c.in)); got != c.want || err != nil {
			t.Errorf("String(%s) = %q, %v, want %q", c.in, got, err, c.want)
		}
	}
	for _, in := range []string{`1`, `{}`, `null`, `"\ud83d"`, `"\ude00\ud83d"`, `"\ud83dx"`, `"\ud83d\u0041"`} {
		if got, err := String([]byte(in)); err == nil {
			t.Errorf("String(%s) = %q, want an error", in, got)
		}
	}
}

func TestUint(t *testing.T) {
	for in, want := range map[string]uint64{"0": 0, "7": 7, "9007199254740991": MaxInteger} {
		if got, err := Uint([]byte(in)); got != want || err != nil {
			t.Errorf("Uint(%s) = %d, %v, want %d", in, got, err, want)
		}
	}
	for _, in := range []string{"-1", "1.0", "1e3", "9007199254740992", "18446744073709551616", `"1"`, "null"} {
		if got, err := Uint([]byte(in)); err == nil {
			t.Errorf("Uint(%s) = %d, want an error", in, got)
		}
	}
}

func TestAppendString(t *testing.T) {
	in := "a\"\\\x00\n\x7f\u2028é😀\xff"
	want := `"a\"\\\u0000\u000a\u007f\u2028é😀` + "\ufffd" + `"`
	if got := string(AppendString(nil, in)); got != want {
		t.Errorf("AppendString(%q) = %s, want %s", in, got, want)
	}
}

// Security 8.
func FuzzCheck(f *testing.F) {
	for _, seed := range []string{`{"a":[1,"\ud83d\ude00",null]}`, `{"a":1,"a":2}`, `[[[[`, `"\ud800"`, "\"\xff\"", `-0.0e-1`, `1 2`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		err := Check(b, 1000)
		// encoding/json lets text through that is not UTF-8; in all else both agree.
		want := json.Valid(b) && utf8.Valid(b)
		if (err == nil) != want && !deep(err) {
			t.Fatalf("Check(%q) = %v, encoding/json finds it valid: %v", b, err, want)
		}
		if err != nil {
			return
		}
		_ = Members(b, func(name string, value []byte) error {
			if err := Check(value, 1000); err != nil {
				t.Fatalf("Members(%q) gives %q = %q: %v", b, name, value, err)
			}
			return nil
		})
		if s, err := String(b); err == nil {
			quoted := AppendString(nil, s)
			if back, err := String(quoted); back != s || err != nil {
				t.Fatalf("String(AppendString(%q)) = %q, %v", s, back, err)
			}
		}
	})
}

func deep(err error) bool {
	var syntax *SyntaxError
	return errors.As(err, &syntax) && syntax.Reason == "nested too deep"
}
