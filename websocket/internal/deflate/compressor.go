package deflate

import "encoding/binary"

const (
	// maxHistory is the most that a connection keeps of what it sent.
	maxHistory = 3 << 10

	// maxStored is the most that a stored block holds (RFC 1951, section 3.2.4).
	maxStored = 1<<16 - 1

	// tailSize is the length of the 00 00 ff ff that ends an empty stored block.
	tailSize = 4
)

// A Compressor compresses the messages that one endpoint sends (RFC 7692,
// section 7.2.1). Between messages it holds a history of at most 3 KiB and
// nothing else. It must not be used by two goroutines at once.
type Compressor struct {
	takeover bool // constant
	window   int  // constant
	history  history
}

// NewCompressor returns a compressor none of whose back references, within a
// message or across messages, reaches further than a window of 8 to 15 bits
// (RFC 7692, section 7.1.2). Zero means 15; what lies outside counts as the
// nearest. takeover says that messages may refer to earlier ones; it is not to
// be set where *_no_context_takeover was agreed (section 7.1.1).
func NewCompressor(windowBits int, takeover bool) *Compressor {
	window := windowSize(windowBits)
	return &Compressor{takeover: takeover, window: window, history: history{size: min(maxHistory, window)}}
}

// Append appends the compressed payload of the whole message p to dst, without
// the 00 00 ff ff that RFC 7692, section 7.2.1, has cut off. An empty message
// gives the one byte 00. The bytes in dst are not touched, and p must not
// overlap its spare capacity.
//
// The history stays as it was until Commit: a message that is given up before
// it was sent leaves no trace. Nor does one that is sent uncompressed, with RSV1
// clear, because what was appended is not shorter than p: that is never part of
// the history, so Commit is not called then.
func (c *Compressor) Append(dst, p []byte) []byte {
	dst = encode(dst, c.history.b, p, c.window)
	return dst[:len(dst)-tailSize]
}

// Commit takes the message p into the history. It is called when p is sent for
// certain in compressed form, before the next Append. What was sent may be what
// Append or Compress made of it, or any other form that keeps to the window.
func (c *Compressor) Commit(p []byte) {
	if c.takeover {
		c.history.add(p)
	}
}

// Compress appends the compressed payload of the whole message p to dst as
// Append does, with no reference to other messages: it may be sent to every peer
// whose window is of windowBits or more. Where messages may refer to earlier
// ones, it is to be committed to the Compressor of each connection that sends it.
func Compress(dst, p []byte, windowBits int) []byte {
	dst = encode(dst, nil, p, windowSize(windowBits))
	return dst[:len(dst)-tailSize]
}

// AppendPart appends the next part of the compressed payload of a message that
// is sent piece by piece, so that the receiver can inflate all parts up to and
// including this one at once. final marks the last part, which may be empty; of
// it alone the closing 00 00 ff ff is cut. A part before the last that is empty
// gives no bytes. The history moves with each part.
func (c *Compressor) AppendPart(dst, p []byte, final bool) []byte {
	if len(p) > 0 || final {
		dst = encode(dst, c.history.b, p, c.window)
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
