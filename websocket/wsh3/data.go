package wsh3

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/quicvarint"
)

// Types of HTTP/3 frames (RFC 9114, section 7.2).
const (
	frameData         = 0x00
	frameHeaders      = 0x01
	frameCancelPush   = 0x03
	frameSettings     = 0x04
	framePushPromise  = 0x05
	frameGoAway       = 0x07
	frameMaxPushID    = 0x0d
	framePriorityPush = 0xf0701 // RFC 9218, section 7.2
	framePriority     = 0xf0700
)

// A dataReader reads what the DATA frames of a CONNECT stream hold (RFC 9114,
// section 4.4). A read that a deadline stops, wherever it is, can be taken up.
type dataReader struct {
	src io.Reader

	head [2 * maxVarint]byte // type and length of the next frame
	have int                 // bytes of it that have come
	left uint64              // of the frame's payload
	skip bool                // the payload is of no interest
	err  error               // how reading has ended
}

const maxVarint = 8

// Read reads at least one byte, or returns an error; io.EOF at the end of a frame.
func (d *dataReader) Read(p []byte) (int, error) {
	if d.err != nil || len(p) == 0 {
		return 0, d.err
	}
	for {
		if d.left == 0 {
			if err := d.next(); err != nil {
				return 0, d.end(err)
			}
			continue
		}
		n, err := d.src.Read(p[:min(uint64(len(p)), d.left)])
		d.left -= uint64(n)
		if d.skip {
			n = 0
		}
		if err == io.EOF && d.left > 0 {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			err = d.end(err)
		}
		if n > 0 {
			return n, nil // an error is kept, or comes again
		}
		if err != nil {
			return 0, err
		}
	}
}

// end keeps err, unless it is a deadline's.
func (d *dataReader) end(err error) error {
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		d.err = err
	}
	return err
}

// next reads the type and the length of the next frame.
func (d *dataReader) next() error {
	for {
		need := d.headSize()
		if d.have == need {
			break
		}
		n, err := d.src.Read(d.head[d.have:need])
		d.have += n
		if n > 0 {
			continue // an error comes again
		}
		if err == io.EOF && d.have > 0 {
			return io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
	}
	typ, n, err := quicvarint.Parse(d.head[:d.have])
	if err != nil {
		return err
	}
	if d.left, _, err = quicvarint.Parse(d.head[n:d.have]); err != nil {
		return err
	}
	d.have = 0
	switch typ {
	case frameData:
		d.skip = false
	// 4.4: of the known frames, only DATA may come once the tunnel is open.
	case frameHeaders, frameCancelPush, frameSettings, framePushPromise, frameGoAway, frameMaxPushID,
		framePriority, framePriorityPush, 0x02, 0x06, 0x08, 0x09: // 7.2.8: those of HTTP/2
		return &http3.Error{ErrorCode: http3.ErrCodeFrameUnexpected, ErrorMessage: fmt.Sprintf("frame of type %#x in a tunnel", typ)}
	default:
		d.skip = true // section 9
	}
	return nil
}

// headSize returns the size of the header as far as it is known.
func (d *dataReader) headSize() int {
	if d.have == 0 {
		return 2 // of the shortest
	}
	typ := varintSize(d.head[0])
	if d.have <= typ {
		return typ + 1
	}
	return typ + varintSize(d.head[typ])
}

// varintSize returns the size of the integer that begins with b (RFC 9000,
// section 16).
func varintSize(b byte) int { return 1 << (b >> 6) }
