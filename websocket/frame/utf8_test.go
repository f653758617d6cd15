package frame

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"
	"unicode/utf8"
)

// beginnings holds every proper prefix of the UTF-8 of a code point. The last byte
// has the low six bits of the code point, so that one in 64 has all prefixes.
var beginnings = func() map[string]bool {
	set := make(map[string]bool)
	for r := rune(0); r <= utf8.MaxRune; r += 64 {
		if !utf8.ValidRune(r) {
			continue
		}
		char := string(r)
		for i := 1; i < len(char); i++ {
			set[char[:i]] = true
		}
	}
	return set
}()

// impossibleAt returns the index of the first byte after which no continuation
// makes p valid, or -1: p up to there is neither whole code points nor whole code
// points and the beginning of one.
func impossibleAt(p []byte) int {
	start := 0
	for i := range p {
		switch char := p[start : i+1]; {
		case utf8.Valid(char):
			start = i + 1
		case !beginnings[string(char)]:
			return i
		}
	}
	return -1
}

// checkUTF8 hands the pieces of a text to a UTF8, whose verdict must fall in the
// piece that has the first impossible byte.
func checkUTF8(t *testing.T, pieces ...[]byte) {
	t.Helper()
	var u UTF8
	text := bytes.Join(pieces, nil)
	bad, end := impossibleAt(text), 0
	for _, piece := range pieces {
		end += len(piece)
		want := bad < 0 || bad >= end
		if got := u.Valid(piece); got != want {
			t.Fatalf("Valid(% x) at the end of % x = %v, want %v", piece, text[:end], got, want)
		}
	}
	if got, want := u.Complete(), utf8.Valid(text); got != want {
		t.Fatalf("Complete() after % x = %v, want %v", text, got, want)
	}
}

func checkUTF8Splits(t *testing.T, text []byte) {
	t.Helper()
	checkUTF8(t, text)
	var single [][]byte
	for i := range text {
		checkUTF8(t, text[:i], text[i:])
		single = append(single, text[i:i+1])
	}
	checkUTF8(t, single...)
}

// Autobahn 6.1 to 6.23: texts that are valid, then texts that are not.
var (
	validTexts = hexTexts(`
		48656c6c6f2dc2b540c39fc3b6c3a4c3bcc3a0c3a12d5554462d382121 cebae1bdb9cf83cebcceb5
		68656c6c6f24776f726c64 68656c6c6fc2a2776f726c64 68656c6c6fe282ac776f726c64
		68656c6c6ff0a4ada2776f726c64
		ceba cebae1bdb9 cebae1bdb9cf83 cebae1bdb9cf83cebc
		00 c280 e0a080 f0908080 7f dfbf efbfbf f48fbfbf ed9fbf ee8080 efbfbd
		efbfbe f09fbfbe f09fbfbf f0afbfbe f0afbfbf f0bfbfbe f0bfbfbf f18fbfbe f18fbfbf f19fbfbe
		f19fbfbf f1afbfbe f1afbfbf f1bfbfbe f1bfbfbf f28fbfbe f28fbfbf f29fbfbe f29fbfbf f2afbfbe
		f2afbfbf f2bfbfbe f2bfbfbf f38fbfbe f38fbfbf f39fbfbe f39fbfbf f3afbfbe f3afbfbf f3bfbfbe
		f3bfbfbf f48fbfbe efbfb9 efbfba efbfbb efbfbc`)
	invalidTexts = hexTexts(`
		cebae1bdb9cf83cebcceb5eda080656469746564 cebae1bdb9cf83cebcceb5f4908080656469746564
		ce cebae1 cebae1bd cebae1bdb9cf cebae1bdb9cf83ce cebae1bdb9cf83cebcce
		f888808080 fc8480808080 f7bfbfbf fbbfbfbfbf fdbfbfbfbfbf f4908080
		80 bf 80bf 80bf80 80bf80bf 80bf80bf80 80bf80bf80bf
		808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbe
		c020c120c220c320c420c520c620c720c820c920ca20cb20cc20cd20ce20cf20d020d120d220d320d420d520d620d720d820d920da20db20dc20dd20de20df20
		e020e120e220e320e420e520e620e720e820e920ea20eb20ec20ed20ee20ef20
		f020f120f220f320f420f520f620f720 f820f920fa20fb20 fc20fd20
		c0 e080 f08080 f8808080 fc80808080 df efbf f7bfbf fbbfbfbf fdbfbfbfbf
		c0e080f08080f8808080fc80808080dfefbff7bfbffbbfbfbffdbfbfbfbf fe ff fefeffff
		c0af e080af f08080af f8808080af fc80808080af c1bf e09fbf f08fbfbf f887bfbfbf fc83bfbfbfbf
		c080 e08080 f0808080 f880808080 fc8080808080
		eda080 edadbf edae80 edafbf edb080 edbe80 edbfbf
		eda080edb080 eda080edbfbf edadbfedb080 edadbfedbfbf edae80edb080 edae80edbfbf edafbfedb080 edafbfedbfbf`)
)

func hexTexts(list string) (texts [][]byte) {
	for _, s := range strings.Fields(list) {
		text, err := hex.DecodeString(s)
		if err != nil {
			panic(err)
		}
		texts = append(texts, text)
	}
	return texts
}

// Checks 6455-111, 6455-138, 6455-139.
func TestUTF8Texts(t *testing.T) {
	for _, text := range validTexts {
		if !utf8.Valid(text) {
			t.Errorf("% x is in the wrong table", text)
		}
		checkUTF8Splits(t, text)
	}
	for _, text := range invalidTexts {
		if utf8.Valid(text) {
			t.Errorf("% x is in the wrong table", text)
		}
		checkUTF8Splits(t, text)
	}
}

// The words that are looked at in one go do not hide what stands beside them.
//
// Checks 6455-138, 6455-139.
func TestUTF8BesideASCII(t *testing.T) {
	for _, texts := range [][][]byte{validTexts, invalidTexts} {
		for _, text := range texts {
			for before := range 18 {
				padded := append(bytes.Repeat([]byte("a"), before), text...)
				checkUTF8Splits(t, padded)
				checkUTF8Splits(t, append(padded, "01234567"...))
			}
		}
	}
}

// Two bytes of any value, and four at the borders of the table in RFC 3629,
// section 4, byte by byte.
//
// Checks 6455-138, 6455-139.
func TestUTF8Exhaustive(t *testing.T) {
	for a := range 256 {
		for b := range 256 {
			checkUTF8Splits(t, []byte{byte(a), byte(b)})
		}
	}
	borders := []byte{
		0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf,
		0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff,
	}
	for _, a := range borders {
		for _, b := range borders {
			for _, c := range borders {
				for _, d := range borders {
					checkUTF8(t, []byte{a, b, c, d})
					checkUTF8(t, []byte{a}, []byte{b}, []byte{c}, []byte{d})
				}
			}
		}
	}
}

func TestUTF8AllCodePoints(t *testing.T) {
	var u UTF8
	var buf [utf8.UTFMax]byte
	for r := rune(0); r <= utf8.MaxRune; r++ {
		if !utf8.ValidRune(r) {
			continue
		}
		n := utf8.EncodeRune(buf[:], r)
		for i := range n {
			if !u.Valid(buf[i:i+1]) || u.Complete() != (i == n-1) {
				t.Fatalf("Valid(% x) of %U = false, or Complete() = %v", buf[i], r, u.Complete())
			}
		}
	}
}

func TestUTF8StaysInvalid(t *testing.T) {
	var u UTF8
	if u.Valid([]byte{0xff}) || u.Valid(nil) || u.Valid([]byte("a")) || u.Complete() {
		t.Errorf("Valid is true again after an impossible byte")
	}
	u.Reset()
	if !u.Valid([]byte("a")) || !u.Complete() {
		t.Errorf("Valid(a) after Reset = false, want true")
	}
}

// FuzzUTF8 compares the verdict on a text in three pieces with the standard
// library's and with the plain definition, and that of each kernel on all of it with
// the standard library's.
func FuzzUTF8(f *testing.F) {
	for i, text := range append(validTexts, invalidTexts...) {
		f.Add(text, uint8(i), uint8(i/2))
	}
	f.Add(append(bytes.Repeat([]byte("a"), 30), 0xf4, 0x90, 0x80, 0x80), uint8(7), uint8(24))
	for _, filling := range fillings {
		for _, n := range []int{15, 16, 31, 32, 33, 64, 95, 130, 260} {
			f.Add(filled(filling, n), uint8(n), uint8(1))
		}
	}
	f.Fuzz(func(t *testing.T, text []byte, a, b uint8) {
		text = text[:min(len(text), 600)]
		first := min(int(a), len(text))
		second := min(first+int(b), len(text))
		checkUTF8(t, text[:first], text[first:second], text[second:])
		for _, k := range kernels(t) {
			if k.valid != nil && k.valid(text[first:]) != utf8.Valid(text[first:]) {
				t.Errorf("%s of % x = %v", k.name, text[first:], k.valid(text[first:]))
			}
		}
	})
}
