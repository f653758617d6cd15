package deflate

import (
	"errors"
	"io"
	"slices"
)

// RatioFloor is the size in bytes up to which a message may inflate without its
// ratio being looked at.
const RatioFloor = 16 << 20

// The limits of Decompressor.Append and Stream.
var (
	ErrTooBig = errors.New("message inflates to more than the limit")
	ErrRatio  = errors.New("message inflates to too many times its size")
)

// A Decompressor inflates the messages that one endpoint receives (RFC 7692,
// section 7.2.2). Between messages it holds the end of what it has inflated, at
// most 32 KiB and only if messages may refer to earlier ones, and nothing else.
// It must not be used by two goroutines at once.
type Decompressor struct {
	takeover bool // constant
	history  history
}

// NewDecompressor returns a decompressor for a peer that may use a window of 8 to
// 15 bits (RFC 7692, section 7.1.2): no more than that is held between messages.
// Zero means 15; what lies outside counts as the nearest. takeover says that
// messages may refer to earlier ones, as they may unless *_no_context_takeover
// was agreed (section 7.1.1).
func NewDecompressor(windowBits int, takeover bool) *Decompressor {
	return &Decompressor{takeover: takeover, history: history{size: windowSize(windowBits)}}
}

// Append inflates the payload of one whole message and appends it to dst, whose
// spare capacity compressed must not overlap. Blocks with BFINAL set may stand
// anywhere (RFC 7692, section 7.2.1).
//
// limit is the most that the message may inflate to, in bytes; what exceeds it
// gives [ErrTooBig]. Past [RatioFloor] it may have inflated to at most ratio
// bytes for each byte in compressed, or else [ErrRatio]. Negative values mean no
// bound. Data that does not inflate gives an error that wraps [ErrCorrupt]; a
// message that stops short is such data. Memory grows with what was inflated.
//
// On an error dst is returned as it was, and d is not to be used again: the
// connection is to be failed.
func (d *Decompressor) Append(dst, compressed []byte, limit int64, ratio int) ([]byte, error) {
	f := newInflater()
	defer f.release()
	f.in, f.last = compressed, true

	b := bounds{limit, ratio}
	start := len(dst)
	out := dst
	for {
		room := b.room(int64(len(out)-start), min(cap(out)-len(out), maxStep))
		var err error
		out, err = f.decode(d.history.b, out, start, len(out)+room)
		if e := b.check(int64(len(out)-start), int64(len(compressed))); e != nil {
			return dst, e
		}
		if err == io.EOF {
			break
		}
		if err != errFull {
			return dst, err
		}
		if len(out) == cap(out) {
			out = slices.Grow(out, min(2*len(compressed)+64, maxStep))
		}
	}
	if d.takeover {
		d.history.add(out[start:])
	}
	return out, nil
}

// maxStep is the most that is inflated before the bounds are looked at again.
const maxStep = 32 << 10

// Bounds of one message, as they are given to Append.
type bounds struct {
	limit int64
	ratio int
}

// room returns how much of space may be filled when out bytes were inflated so
// far: one byte more than the limit allows, so that check finds it exceeded.
func (b bounds) room(out int64, space int) int {
	if left := b.limit - out; b.limit >= 0 && left < int64(space) {
		return int(left) + 1
	}
	return space
}

// check says which bound out bytes inflated from in bytes exceed.
func (b bounds) check(out, in int64) error {
	if b.limit >= 0 && out > b.limit {
		return ErrTooBig
	}
	if b.ratio >= 0 && out > RatioFloor && (b.ratio == 0 || (out-1)/int64(b.ratio) >= in) {
		return ErrRatio
	}
	return nil
}
