package jsonscan

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// The functions here take text that [Check] has found to be right.

// Errors that callers compare.
var (
	ErrType      = errors.New("wrong type")
	ErrDuplicate = errors.New("member given twice")
)

// MaxInteger is the largest number that [Uint] reads: the largest one that
// every JavaScript number below it is distinct from.
const MaxInteger = 1<<53 - 1

// Members calls f for each member of an object, with the text of its value. An
// error of f ends the walk and is returned. The error is ErrType when b holds
// another kind of value, and wraps ErrDuplicate when a name is given twice.
//
// Time grows with the square of the number of members: f bounds it by refusing
// names that it does not know.
func Members(b []byte, f func(name string, value []byte) error) error {
	s := scanner{b: bytes.TrimSpace(b)}
	if s.peek() != '{' {
		return ErrType
	}
	s.i++
	s.space()
	var seen []string
	for more := s.peek() != '}'; more; {
		name, value, err := s.member()
		if err != nil {
			return err
		}
		for _, other := range seen {
			if other == name {
				return fmt.Errorf("%w: %q", ErrDuplicate, name)
			}
		}
		seen = append(seen, name)
		if err := f(name, value); err != nil {
			return err
		}
		if more, err = s.next('}'); err != nil {
			return err
		}
	}
	return nil
}

func (s *scanner) member() (name string, value []byte, err error) {
	start := s.i
	if err := s.name(); err != nil {
		return "", nil, err
	}
	quoted := s.b[start:s.i]
	name, err = String(quoted[:bytes.LastIndexByte(quoted, '"')+1])
	if err != nil {
		return "", nil, err
	}
	start = s.i
	err = s.value(math.MaxInt)
	return name, s.b[start:s.i], err
}

// String decodes a string. The error is ErrType when b holds another kind of
// value, or says that an escape is half of a surrogate pair, which is no character.
func String(b []byte) (string, error) {
	if len(b) < 2 || b[0] != '"' {
		return "", ErrType
	}
	b = b[1 : len(b)-1]
	if bytes.IndexByte(b, '\\') < 0 {
		return string(b), nil
	}
	return unescape(b)
}

func unescape(b []byte) (string, error) {
	out := make([]byte, 0, len(b))
	for len(b) > 0 {
		switch {
		case b[0] != '\\':
			out, b = append(out, b[0]), b[1:]
		case b[1] != 'u':
			out, b = append(out, plain(b[1])), b[2:]
		default:
			r, n, ok := escapedRune(b)
			if !ok {
				return "", errors.New("half of a surrogate pair")
			}
			out, b = utf8.AppendRune(out, r), b[n:]
		}
	}
	return string(out), nil
}

// plain returns what stands for the character c behind a backslash.
func plain(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c
}

// escapedRune decodes the \u escapes at the start of b: one, or two that are a
// surrogate pair. It is not ok when half of a pair stands alone.
func escapedRune(b []byte) (r rune, n int, ok bool) {
	r = hex4(b[2:6])
	if !utf16.IsSurrogate(r) {
		return r, 6, true
	}
	if len(b) < 12 || b[6] != '\\' || b[7] != 'u' {
		return 0, 6, false
	}
	r = utf16.DecodeRune(r, hex4(b[8:12]))
	return r, 12, r != utf8.RuneError
}

func hex4(b []byte) (r rune) {
	for _, c := range b {
		digit, _ := unhex(c)
		r = r<<4 | digit
	}
	return r
}

// Uint decodes a whole number from 0 to [MaxInteger]. The error is ErrType for
// anything else, 1.0 and 1e3 included.
func Uint(b []byte) (uint64, error) {
	n, err := strconv.ParseUint(string(b), 10, 64)
	if err != nil || n > MaxInteger {
		return 0, ErrType
	}
	return n, nil
}

// IsObject reports whether b holds an object.
func IsObject(b []byte) bool { return len(b) > 0 && b[0] == '{' }

// AppendString appends s as a JSON string. What is not UTF-8 in it becomes U+FFFD.
// The line separators U+2028 and U+2029 are escaped, for text that ends up in a
// script or a log.
func AppendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for {
		n := 0
		for n < len(s) && unchanged(s[n]) {
			n++
		}
		dst = append(dst, s[:n]...)
		if s = s[n:]; s == "" {
			return append(dst, '"')
		}
		r, size := utf8.DecodeRuneInString(s)
		dst, s = appendRune(dst, r), s[size:]
	}
}

// unchanged reports whether c is a character that stands in a string as it is.
func unchanged(c byte) bool { return c >= ' ' && c < 0x7F && c != '"' && c != '\\' }

func appendRune(dst []byte, r rune) []byte {
	const digits = "0123456789abcdef"
	switch {
	case r == '"', r == '\\':
		return append(dst, '\\', byte(r))
	case r < ' ', r == 0x7F, r == 0x2028, r == 0x2029:
		return append(dst, '\\', 'u', digits[r>>12], digits[r>>8&15], digits[r>>4&15], digits[r&15])
	}
	return utf8.AppendRune(dst, r)
}
