package websocket

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/seed-15847954/ropewalk/websocket/internal/handshake"
)

// A request is read into a buffer of the usual size, and into one of the largest
// where it does not fit.
const (
	usualHead = 4 << 10
	maxHead   = 16 << 10
)

// readRequest reads the head of a request. Bytes behind it are the first frames.
func (u *upgrade) readRequest() error {
	head, rest, err := u.readHead(u.buf[:0])
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		u.received = bytes.Clone(rest)
	}
	r, refusal := handshake.ParseRequest(head)
	if refusal != nil {
		return (*HandshakeError)(refusal)
	}
	u.request = r
	return nil
}

// readHead reads up to the empty line, first into the memory of b.
func (u *upgrade) readHead(b []byte) (head, rest []byte, err error) {
	scanned := 0
	for {
		n, err := u.conn.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		end, found, malformed := handshake.HeadEnd(b, scanned)
		switch {
		case found:
			return b[:end], b[end:], nil
		case malformed != nil:
			return nil, nil, (*HandshakeError)(handshake.ErrMalformedHead(malformed))
		case err != nil:
			return nil, nil, cutShort(err, len(b))
		case len(b) == maxHead:
			return nil, nil, (*HandshakeError)(handshake.ErrHeadTooLarge())
		case len(b) == cap(b):
			b = append(make([]byte, 0, maxHead), b...)
		}
		scanned = end
	}
}

// cutShort says what has become of a request of which n bytes have come.
func cutShort(err error, n int) error {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		late := handshake.ErrRequestTimeout()
		late.Err = err
		return (*HandshakeError)(late)
	case err == io.EOF && n > 0:
		return fmt.Errorf("%d bytes of it: %w", n, io.ErrUnexpectedEOF)
	}
	return err
}
