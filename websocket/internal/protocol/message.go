package protocol

import (
	"errors"
	"fmt"

	"github.com/seed-15847954/ropewalk/websocket/frame"
	"github.com/seed-15847954/ropewalk/websocket/internal/deflate"
)

// An Inflater finishes the messages that came compressed (RFC 7692, section 6.2):
// it inflates them within the limits and checks that text is UTF-8.
type Inflater struct {
	decompressor *deflate.Decompressor
	limit        int64 // bytes a message, negative: none
	ratio        int   // bytes out for each byte in, negative: any
}

// NewInflater returns an inflater for a peer that compresses with a window of
// windowBits, and keeps it from message to message if takeover is set.
func NewInflater(windowBits int, takeover bool, limit int64, ratio int) *Inflater {
	return &Inflater{deflate.NewDecompressor(windowBits, takeover), limit, ratio}
}

// Append inflates the whole message in payload and appends it to dst. The error
// is a *frame.Error, upon which the connection must be failed.
func (f *Inflater) Append(dst []byte, typ frame.Opcode, payload []byte) ([]byte, error) {
	start := len(dst)
	dst, err := f.decompressor.Append(dst, payload, f.limit, f.ratio)
	if err != nil {
		return dst[:start], f.Error(err)
	}
	if typ == frame.Text && !frame.ValidUTF8(dst[start:]) {
		return dst[:start], errNotUTF8
	}
	return dst, nil
}

// Stream returns the inflater of one message that comes in pieces. Its errors
// go through Error.
func (f *Inflater) Stream() *deflate.Stream {
	return f.decompressor.Stream(f.limit, f.ratio)
}

// Error gives the *frame.Error for an error of the decompressor.
func (f *Inflater) Error(err error) error {
	switch {
	case errors.Is(err, deflate.ErrTooBig):
		return &frame.Error{
			Code: frame.CloseMessageTooBig, Section: "10.4",
			Reason: fmt.Sprintf("message of more than %d bytes", f.limit),
		}
	case errors.Is(err, deflate.ErrRatio):
		return &frame.Error{
			Code: frame.CloseMessageTooBig, Section: "10.4",
			Reason: fmt.Sprintf("message inflates to more than %d times its size", f.ratio),
		}
	}
	return &frame.Error{Code: frame.CloseInvalidPayload, Section: "RFC 7692, 7.2.2", Reason: err.Error()}
}

// ErrInvalidText is the *frame.Error for text that is not UTF-8.
var ErrInvalidText error = errNotUTF8
