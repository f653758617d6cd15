package handshake

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ToASCII returns host, a name in Unicode, as DNS knows it: letters in lower case
// and labels outside ASCII in punycode (RFC 6455, section 11.1.1; RFC 5891).
//
// The tables of IDNA are not here, so the letters are those that IDNA leaves as
// they are once they are in lower case: of Latin, Greek, Cyrillic, Armenian, Han,
// Hiragana, Katakana and Hangul, each written as one code point. Any other
// character is an error that asks for the xn-- form.
func ToASCII(host string) (string, error) {
	labels := strings.Split(host, ".")
	for i, label := range labels {
		ascii, err := labelToASCII(label)
		if err != nil {
			return "", err
		}
		labels[i] = ascii
	}
	return strings.Join(labels, "."), nil
}

// maxLabel is the length of the longest label that DNS can hold.
const maxLabel = 63

func labelToASCII(label string) (string, error) {
	if len(label) > 4*maxLabel {
		return "", fmt.Errorf("label %.20q... of %d bytes", label, len(label))
	}
	ascii := true
	mapped := make([]rune, 0, len(label))
	for _, r := range label {
		if r >= utf8.RuneSelf {
			ascii = false
			if !unicode.Is(plainLetters, r) {
				return "", fmt.Errorf("host label %q: cannot map %q safely: write the label in its xn-- form", label, r)
			}
			r = unicode.ToLower(r)
		} else {
			r = rune(lower(byte(r)))
		}
		mapped = append(mapped, r)
	}
	if ascii {
		return string(mapped), nil
	}
	encoded := "xn--" + punycode(mapped)
	if len(encoded) > maxLabel {
		return "", fmt.Errorf("host label %q is longer than %d bytes in its xn-- form", label, maxLabel)
	}
	return encoded, nil
}

// plainLetters are letters that have one lower case, are in normal form C, and
// are nobody's compatibility variant. What the ranges of Unicode have in between
// is left out: U+0130, digraphs, letters with a spacing mark, U+017F.
var plainLetters = &unicode.RangeTable{
	R16: []unicode.Range16{
		{Lo: 0x00C0, Hi: 0x00D6, Stride: 1}, // Latin
		{Lo: 0x00D8, Hi: 0x00F6, Stride: 1},
		{Lo: 0x00F8, Hi: 0x012F, Stride: 1},
		{Lo: 0x0131, Hi: 0x0131, Stride: 1},
		{Lo: 0x0134, Hi: 0x013E, Stride: 1},
		{Lo: 0x0141, Hi: 0x0148, Stride: 1},
		{Lo: 0x014A, Hi: 0x017E, Stride: 1},
		{Lo: 0x0218, Hi: 0x021B, Stride: 1},
		{Lo: 0x0386, Hi: 0x0386, Stride: 1}, // Greek
		{Lo: 0x0388, Hi: 0x038A, Stride: 1},
		{Lo: 0x038C, Hi: 0x038C, Stride: 1},
		{Lo: 0x038E, Hi: 0x03A1, Stride: 1},
		{Lo: 0x03A3, Hi: 0x03CE, Stride: 1},
		{Lo: 0x0400, Hi: 0x0481, Stride: 1}, // Cyrillic
		{Lo: 0x048A, Hi: 0x04BF, Stride: 1},
		{Lo: 0x04D0, Hi: 0x04FF, Stride: 1},
		{Lo: 0x0531, Hi: 0x0556, Stride: 1}, // Armenian
		{Lo: 0x0561, Hi: 0x0586, Stride: 1},
		{Lo: 0x1E00, Hi: 0x1E99, Stride: 1}, // Latin, Vietnamese
		{Lo: 0x1EA0, Hi: 0x1EF9, Stride: 1},
		{Lo: 0x3005, Hi: 0x3005, Stride: 1}, // Japanese
		{Lo: 0x3041, Hi: 0x3096, Stride: 1},
		{Lo: 0x30A1, Hi: 0x30FA, Stride: 1},
		{Lo: 0x30FC, Hi: 0x30FC, Stride: 1},
		{Lo: 0x3400, Hi: 0x4DBF, Stride: 1}, // Han
		{Lo: 0x4E00, Hi: 0x9FFF, Stride: 1},
		{Lo: 0xAC00, Hi: 0xD7A3, Stride: 1}, // Hangul
	},
	LatinOffset: 2,
}
