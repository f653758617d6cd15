package frame

import "unicode/utf8"

// ValidUTF8 reports whether p is UTF-8 as a whole (RFC 3629): what utf8.Valid
// reports, sooner.
func ValidUTF8(p []byte) bool { return valid(p) }

// A UTF8 validates text that comes in pieces (RFC 6455, section 8.1). It fails
// at the first byte after which no continuation could make the text valid, also
// in the middle of a code point. The zero value is ready for a new text.
type UTF8 struct {
	need    uint8 // continuation bytes that the code point under way still lacks
	lo, hi  uint8 // what the next of them may be
	invalid bool
}

// Valid takes the next piece of the text and reports whether the text can still
// become valid. Once false, it stays false until Reset.
func (u *UTF8) Valid(b []byte) bool {
	if len(b) > 0 && b[len(b)-1] < utf8.RuneSelf && u.Complete() {
		u.invalid = !valid(b)
		return !u.invalid
	}
	return u.piece(b)
}

// piece is Valid for a piece that begins or ends inside a code point, too.
func (u *UTF8) piece(b []byte) bool {
	for u.need > 0 && len(b) > 0 && !u.invalid {
		u.next(b[0])
		b = b[1:]
	}
	if u.invalid {
		return false
	}
	end := whole(b)
	if u.invalid = !valid(b[:end]); u.invalid {
		return false
	}
	for _, c := range b[end:] {
		u.next(c)
	}
	return !u.invalid
}

// Complete reports whether the text so far is valid and does not end inside a
// code point.
func (u *UTF8) Complete() bool { return !u.invalid && u.need == 0 }

// Reset makes u ready for a new text.
func (u *UTF8) Reset() { *u = UTF8{} }

// whole returns the length of b without a code point at its end that may go on in
// the next piece: one to three bytes.
func whole(b []byte) int {
	for i := 1; i <= min(utf8.UTFMax-1, len(b)); i++ {
		if last := b[len(b)-i:]; utf8.RuneStart(last[0]) {
			if !utf8.FullRune(last) {
				return len(b) - i
			}
			break
		}
	}
	return len(b)
}

// next takes one byte by the table of RFC 3629, section 4.
func (u *UTF8) next(c byte) {
	if u.need > 0 {
		u.invalid = c < u.lo || c > u.hi
		u.need--
		u.lo, u.hi = 0x80, 0xBF
		return
	}
	u.lo, u.hi = 0x80, 0xBF
	switch {
	case c < 0x80:
	case c >= 0xC2 && c <= 0xDF:
		u.need = 1
	case c >= 0xE0 && c <= 0xEF:
		u.need = 2
		switch c {
		case 0xE0: // below A0 is overlong
			u.lo = 0xA0
		case 0xED: // above 9F are the surrogates
			u.hi = 0x9F
		}
	case c >= 0xF0 && c <= 0xF4:
		u.need = 3
		switch c {
		case 0xF0: // below 90 is overlong
			u.lo = 0x90
		case 0xF4: // above 8F is beyond U+10FFFF
			u.hi = 0x8F
		}
	default: // continuation bytes, C0 and C1 (overlong), F5 and above
		u.invalid = true
	}
}
