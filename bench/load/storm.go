//go:build linux

package load

import (
	"bytes"
	"io"
)

// A Storm opens connections and then closes them.
type Storm struct {
	Target Target
	Count  int // connections altogether, a multiple of 100

	// Mark is called when the measurement begins, which a hundred other connections
	// precede, when the connections are open, and when they have been closed.
	Mark func() error
}

// Run opens the connections, a hundred at a time, and closes them. Each has an
// opening handshake; a raw one sends the same request and gets that back. There is
// no closing handshake.
func (s Storm) Run() error {
	fds, err := s.open(together)
	closeAll(fds)
	if err != nil {
		return err
	}
	if err := s.Mark(); err != nil {
		return err
	}
	if fds, err = s.open(s.Count); err == nil {
		err = s.Mark()
	}
	closeAll(fds)
	if err != nil {
		return err
	}
	return s.Mark()
}

func (s Storm) open(n int) (fds []int, err error) {
	request := s.Target.request()
	answer := func(fd int) error {
		_, err := opened(fd)
		return err
	}
	if s.Target.Raw {
		answer = func(fd int) error { return same(fd, request) }
	}
	for len(fds) < n && err == nil {
		var some []int
		some, err = s.Target.group(len(fds), together, request, answer)
		fds = append(fds, some...)
	}
	return fds, err
}

// same reads what must be want.
func same(fd int, want []byte) error {
	got := make([]byte, len(want))
	for n := 0; n < len(got); {
		k, err := read(fd, got[n:])
		if err != nil {
			return err
		}
		if k == 0 {
			return io.ErrUnexpectedEOF
		}
		n += k
	}
	if !bytes.Equal(got, want) {
		return errDifferent
	}
	return nil
}
