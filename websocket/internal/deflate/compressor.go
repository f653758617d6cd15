package deflate

import "encoding/binary"

const (
	// maxDict is the most history that a connection keeps for what it sends.
	maxDict = 3 << 10

	// maxStored is the most that a stored block holds (RFC 1951, section 3.2.4).
	maxStored = 1<<16 - 1

	// tailSize is the length of the 00 00 ff ff that ends an empty stored block.
	tailSize = 4
)

// A Compressor compresses the messages that one endpoint sends (RFC 7692,
// section 7.2.1). Between messages it holds a history of at most 3 KiB and
// nothing else. It must not be used by two goroutines at once.
type Compressor struct {
	takeover bool
	window   int
	history  history
}

// NewCompressor returns a compressor none of whose back references, within a
// message or across messages, reaches further than a window of 8 to 15 bits
// (RFC 7692, section 7.1.2). Zero means 15; what lies outside counts as the
// nearest. takeover says that messages may refer to earlier ones; it is not to
// be set where *_no_context_takeover was agreed (section 7.1.1).
func NewCompressor(windowBits int, takeover bool) *Compressor {
	window := windowSize(windowBits)
	return &Compressor{takeover: takeover, window: window, history: history{size: min(maxDict, window)}}
}

// Append appends the compressed payload of the whole message p to dst, without
// the 00 00 ff ff that RFC 7692, section 7.2.1, has cut off. An empty message
// gives the one byte 00. The bytes in dst are not touched, and p must not
// overlap its spare capacity.
//
// The history stays as it was until Commit: a message that is given up before
// it was sent leaves no trace.
func (c *Compressor) Append(dst, p []byte) []byte {
	dst = c.deflate(dst, p)
	return dst[:len(dst)-tailSize]
}

// Commit takes the message p, which Append has compressed, into the history.
// It is called when the message is sent for certain, before the next Append.
func (c *Compressor) Commit(p []byte) {
	if c.takeover {
		c.history.add(p)
	}
}

// AppendPart appends the next part of the compressed payload of a message that
// is sent piece by piece, so that the receiver can inflate all parts up to and
// including this one at once. final marks the last part, which may be empty; of
// it alone the closing 00 00 ff ff is cut. A part before the last that is empty
// gives no bytes. The history moves with each part.
func (c *Compressor) AppendPart(dst, p []byte, final bool) []byte {
	if len(p) > 0 || final {
		dst = c.deflate(dst, p)
		c.history.add(p)
	}
	if !final {
		return dst
	}
	if !c.takeover {
		c.history.drop()
	}
	return dst[:len(dst)-tailSize]
}

// deflate appends p compressed, ending in an empty stored block.
func (c *Compressor) deflate(dst, p []byte) []byte {
	out := encode(dst, c.history.b, p, c.window)
	if len(out)-len(dst) > storedSize(len(p)) {
		return appendStored(out[:len(dst)], p)
	}
	return out
}

// storedSize is the length of what appendStored appends for n bytes.
func storedSize(n int) int {
	const header = 1 + tailSize
	return n + (n+maxStored-1)/maxStored*header + header
}

// appendStored appends p in stored blocks, the last one empty (RFC 1951, section
// 3.2.4). That is the shortest form of what cannot be compressed.
func appendStored(dst, p []byte) []byte {
	for {
		n := min(len(p), maxStored)
		dst = append(dst, 0)
		dst = binary.LittleEndian.AppendUint16(dst, uint16(n))
		dst = binary.LittleEndian.AppendUint16(dst, ^uint16(n))
		dst = append(dst, p[:n]...)
		if p = p[n:]; n == 0 {
			return dst
		}
	}
}
