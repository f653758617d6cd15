package jsonscan

import (
	"bytes"
	"math"
)

// Elements calls f for the text of each element of an array. An error of f ends the
// walk and is returned. The error is ErrType when b holds another kind of value.
func Elements(b []byte, f func(value []byte) error) error {
	s := scanner{b: bytes.TrimSpace(b)}
	if s.peek() != '[' {
		return ErrType
	}
	s.i++
	s.space()
	for more := s.peek() != ']'; more; {
		start := s.i
		err := s.value(math.MaxInt)
		if err != nil {
			return err
		}
		if err := f(s.b[start:s.i]); err != nil {
			return err
		}
		if more, err = s.next(']'); err != nil {
			return err
		}
	}
	return nil
}
