// Package frame encodes and decodes the parts of a WebSocket frame (RFC 6455,
// section 5): headers, masks, UTF-8, and the payload of Close. All of it is pure
// functions on bytes; nothing here does I/O, and everything may be called at once.
package frame

import (
	"encoding/binary"
	"fmt"
)

// An Opcode says what a frame is (RFC 6455, section 5.2).
type Opcode uint8

// The opcodes. All others are reserved.
const (
	Continuation Opcode = 0x0
	Text         Opcode = 0x1
	Binary       Opcode = 0x2
	Close        Opcode = 0x8
	Ping         Opcode = 0x9
	Pong         Opcode = 0xA
)

// Control reports whether o is the opcode of a control frame, known or reserved
// (RFC 6455, section 5.5): its top bit is set.
func (o Opcode) Control() bool { return o&0x8 != 0 }

// Known reports whether RFC 6455 defines o.
func (o Opcode) Known() bool { return o <= Binary || o >= Close && o <= Pong }

// String names the opcode: "text", "ping", "opcode 0x3".
func (o Opcode) String() string {
	switch o {
	case Continuation:
		return "continuation"
	case Text:
		return "text"
	case Binary:
		return "binary"
	case Close:
		return "close"
	case Ping:
		return "ping"
	case Pong:
		return "pong"
	}
	return fmt.Sprintf("opcode %#x", uint8(o))
}

// Sizes in bytes.
const (
	MaxHeader         = 14  // 2, 8 of extended length, 4 of mask
	MaxControlPayload = 125 // RFC 6455, section 5.5
)

// The reserved bits, as they stand in the first byte (RFC 6455, section 5.2).
const (
	RSV1 = 0x40
	RSV2 = 0x20
	RSV3 = 0x10
)

const (
	finBit  = 0x80
	rsvBits = RSV1 | RSV2 | RSV3
	maskBit = 0x80
	len16   = 126
	len64   = 127
)

// A Header is a frame's header.
type Header struct {
	Fin    bool
	RSV    uint8 // any of RSV1, RSV2, RSV3
	Opcode Opcode
	Masked bool
	Key    uint32 // as Mask takes it; zero unless Masked
	Length uint64 // of the payload, in bytes; below 2^63
}

// ParseHeader decodes the frame header at the start of b. It returns the header
// and its size in bytes; a size of 0 means that b does not hold all of it yet.
//
// The error is an *Error: a reserved opcode, a control frame that is fragmented
// or too long, a length not in its shortest form, or a length with its top bit
// set. What the first two bytes break is an error before the rest has come.
// Whether mask and RSV bits are in place depends on the connection and is not
// checked.
func ParseHeader(b []byte) (h Header, n int, err error) {
	if len(b) == 0 {
		return Header{}, 0, nil
	}
	h.Fin = b[0]&finBit != 0
	h.RSV = b[0] & rsvBits
	h.Opcode = Opcode(b[0] & 0x0f)
	// 5.2: an unknown opcode fails the connection.
	if !h.Opcode.Known() {
		return Header{}, 0, protocolErrorf("5.2", "reserved %v", h.Opcode)
	}
	// 5.4: control frames themselves must not be fragmented.
	if h.Opcode.Control() && !h.Fin {
		return Header{}, 0, protocolErrorf("5.4", "fragmented %v", h.Opcode)
	}
	if len(b) < 2 {
		return Header{}, 0, nil
	}
	h.Masked = b[1]&maskBit != 0
	h.Length = uint64(b[1] &^ maskBit)
	// 5.5: a control frame carries at most 125 bytes, so never an extended length.
	if h.Opcode.Control() && h.Length > MaxControlPayload {
		return Header{}, 0, protocolErrorf("5.5", "%v payload of more than 125 bytes", h.Opcode)
	}
	n = 2
	switch h.Length {
	case len16:
		n += 2
	case len64:
		n += 8
	}
	if len(b) < n {
		return Header{}, 0, nil
	}
	if err := h.extendLength(b[2:n]); err != nil {
		return Header{}, 0, err
	}
	if h.Masked {
		if len(b) < n+4 {
			return Header{}, 0, nil
		}
		h.Key = binary.LittleEndian.Uint32(b[n:])
		n += 4
	}
	return h, n, nil
}

// extendLength replaces a length of 126 or 127 by the one in ext.
func (h *Header) extendLength(ext []byte) error {
	switch len(ext) {
	case 2:
		h.Length = uint64(binary.BigEndian.Uint16(ext))
		// 5.2: the minimal number of bytes must be used to encode the length.
		if h.Length < len16 {
			return protocolErrorf("5.2", "length %d in 16 bits", h.Length)
		}
	case 8:
		h.Length = binary.BigEndian.Uint64(ext)
		// 5.2: the most significant bit must be 0.
		if h.Length>>63 != 0 {
			return protocolErrorf("5.2", "length with its top bit set")
		}
		if h.Length <= 0xffff {
			return protocolErrorf("5.2", "length %d in 64 bits", h.Length)
		}
	}
	return nil
}

// AppendHeader appends the encoding of h, the length in its shortest form. It
// encodes what it is given, legal or not.
func AppendHeader(dst []byte, h Header) []byte {
	b0 := byte(h.Opcode)&0x0f | h.RSV&rsvBits
	if h.Fin {
		b0 |= finBit
	}
	var b1 byte
	if h.Masked {
		b1 = maskBit
	}
	switch {
	case h.Length < len16:
		dst = append(dst, b0, b1|byte(h.Length))
	case h.Length <= 0xffff:
		dst = append(dst, b0, b1|len16)
		dst = binary.BigEndian.AppendUint16(dst, uint16(h.Length))
	default:
		dst = append(dst, b0, b1|len64)
		dst = binary.BigEndian.AppendUint64(dst, h.Length)
	}
	if h.Masked {
		dst = binary.LittleEndian.AppendUint32(dst, h.Key)
	}
	return dst
}
