//go:build linux

package load

import (
	"bytes"
	"errors"
	"io"
	"syscall"
)

// A Storm opens connections and closes them at once.
type Storm struct {
	Target Target
	Count  int // connections altogether, a multiple of 100

	// Mark is called when the measurement begins, which a tenth of as many
	// connections precede, and when the server has come to rest after it.
	Mark func() error
}

// Run opens and closes the connections, a hundred at a time. Each has an opening
// handshake; a raw one sends the same request and gets that back. There is no
// closing handshake.
func (s Storm) Run() error {
	if err := s.open(max(s.Count/10/together, 1)); err != nil {
		return err
	}
	if err := s.Mark(); err != nil {
		return err
	}
	if err := s.open(s.Count / together); err != nil {
		return err
	}
	return s.Mark()
}

func (s Storm) open(groups int) error {
	request := s.Target.request()
	answer := func(fd int) error {
		_, err := opened(fd)
		return err
	}
	if s.Target.Raw {
		answer = func(fd int) error { return same(fd, request) }
	}
	for i := range groups {
		fds, err := s.Target.group(i*together, together, request, answer)
		closeAll(fds)
		if err != nil {
			return err
		}
	}
	return nil
}

// same reads what must be want.
func same(fd int, want []byte) error {
	got := make([]byte, len(want))
	for n := 0; n < len(got); {
		k, err := syscall.Read(fd, got[n:])
		if err != nil {
			return err
		}
		if k == 0 {
			return io.ErrUnexpectedEOF
		}
		n += k
	}
	if !bytes.Equal(got, want) {
		return errors.New("what came back is not what was sent")
	}
	return nil
}
