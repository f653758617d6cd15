// Package jsonscan reads JSON text from strangers: strictly as RFC 8259 has it,
// in UTF-8, no deeper than told, without the guesses that encoding/json makes
// (names that differ in case, members given twice, text that is not UTF-8).
package jsonscan

import (
	"fmt"
	"unicode/utf8"
)

// A SyntaxError says where JSON text is wrong.
type SyntaxError struct {
	Offset int // of the byte that cannot stand there
	Reason string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("JSON: %s at byte %d", e.Reason, e.Offset)
}

// Check reports whether b is one JSON value, and nothing behind it, whose arrays
// and objects are nested maxDepth deep at most. The error is a *SyntaxError.
func Check(b []byte, maxDepth int) error {
	s := scanner{b: b}
	s.space()
	if err := s.value(maxDepth); err != nil {
		return err
	}
	s.space()
	if s.i < len(b) {
		return s.wrong("something behind the value")
	}
	return nil
}

// scanner walks over the text. Each method begins at i and leaves i behind what
// it has read.
type scanner struct {
	b []byte
	i int
}

func (s *scanner) wrong(reason string) error {
	if s.i >= len(s.b) {
		reason = "unexpected end"
	}
	return &SyntaxError{Offset: s.i, Reason: reason}
}

// peek returns the byte at i, and 0, which stands nowhere in JSON, at the end.
func (s *scanner) peek() byte {
	if s.i < len(s.b) {
		return s.b[s.i]
	}
	return 0
}

func (s *scanner) space() {
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case ' ', '\t', '\r', '\n':
			s.i++
		default:
			return
		}
	}
}

func (s *scanner) value(depth int) error {
	switch c := s.peek(); {
	case c == '{', c == '[':
		if depth <= 0 {
			return s.wrong("nested too deep")
		}
		if c == '{' {
			return s.object(depth - 1)
		}
		return s.array(depth - 1)
	case c == '"':
		return s.text()
	case c == '-', c >= '0' && c <= '9':
		return s.number()
	case c == 't':
		return s.literal("true")
	case c == 'f':
		return s.literal("false")
	case c == 'n':
		return s.literal("null")
	}
	return s.wrong("no value")
}

func (s *scanner) object(depth int) error {
	s.i++
	s.space()
	if s.peek() == '}' {
		s.i++
		return nil
	}
	for {
		if err := s.name(); err != nil {
			return err
		}
		if err := s.value(depth); err != nil {
			return err
		}
		if more, err := s.next('}'); !more {
			return err
		}
	}
}

// name reads a member's name and the colon, up to its value.
func (s *scanner) name() error {
	if s.peek() != '"' {
		return s.wrong("no member name")
	}
	if err := s.text(); err != nil {
		return err
	}
	s.space()
	if s.peek() != ':' {
		return s.wrong("no colon")
	}
	s.i++
	s.space()
	return nil
}

func (s *scanner) array(depth int) error {
	s.i++
	s.space()
	if s.peek() == ']' {
		s.i++
		return nil
	}
	for {
		if err := s.value(depth); err != nil {
			return err
		}
		if more, err := s.next(']'); !more {
			return err
		}
	}
}

// next reads what stands between two elements and reports whether one follows.
func (s *scanner) next(end byte) (more bool, err error) {
	s.space()
	switch s.peek() {
	case ',':
		s.i++
		s.space()
		return true, nil
	case end:
		s.i++
		return false, nil
	}
	return false, s.wrong("neither comma nor end")
}

func (s *scanner) literal(word string) error {
	for i := range len(word) {
		if s.peek() != word[i] {
			return s.wrong("no value")
		}
		s.i++
	}
	return nil
}

func (s *scanner) number() error {
	if s.peek() == '-' {
		s.i++
	}
	if s.peek() == '0' {
		s.i++
	} else if !s.digits() {
		return s.wrong("no digit")
	}
	if s.peek() == '.' {
		s.i++
		if !s.digits() {
			return s.wrong("no digit")
		}
	}
	if c := s.peek(); c == 'e' || c == 'E' {
		s.i++
		if c := s.peek(); c == '+' || c == '-' {
			s.i++
		}
		if !s.digits() {
			return s.wrong("no digit")
		}
	}
	return nil
}

func (s *scanner) digits() bool {
	start := s.i
	for c := s.peek(); c >= '0' && c <= '9'; c = s.peek() {
		s.i++
	}
	return s.i > start
}

func (s *scanner) text() error {
	s.i++
	for s.i < len(s.b) {
		switch c := s.b[s.i]; {
		case c == '"':
			s.i++
			return nil
		case c == '\\':
			if err := s.escape(); err != nil {
				return err
			}
		case c < ' ':
			return s.wrong("control character in a string")
		case c < utf8.RuneSelf:
			s.i++
		default:
			if err := s.multibyte(); err != nil {
				return err
			}
		}
	}
	return s.wrong("no end of the string")
}

func (s *scanner) multibyte() error {
	r, n := utf8.DecodeRune(s.b[s.i:])
	if r == utf8.RuneError && n == 1 {
		return s.wrong("not UTF-8")
	}
	s.i += n
	return nil
}

func (s *scanner) escape() error {
	s.i++
	switch s.peek() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.i++
		return nil
	case 'u':
		s.i++
		for range 4 {
			if _, ok := unhex(s.peek()); !ok {
				return s.wrong("no hexadecimal digit")
			}
			s.i++
		}
		return nil
	}
	return s.wrong("no such escape")
}

func unhex(c byte) (rune, bool) {
	switch {
	case c >= '0' && c <= '9':
		return rune(c - '0'), true
	case c >= 'a' && c <= 'f':
		return rune(c-'a') + 10, true
	case c >= 'A' && c <= 'F':
		return rune(c-'A') + 10, true
	}
	return 0, false
}
