// Package frame encodes and decodes the parts of a WebSocket frame (RFC 6455,
// section 5): headers, masks, UTF-8, and the payload of Close. All of it is pure
// functions on bytes; nothing here does I/O, and everything may be called at once.
//
// On amd64 text is validated and payloads are masked by assembly; with the build tag
// purego, under the race detector and on other processors, by plain Go.
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
	n, err = h.Parse(b)
	return h, n, err
}

// Parse is ParseHeader into h, which changes only if the size is not 0. It takes
// half the time: a Header that is returned is copied from memory that has just
// been written in parts, which processors wait for.
func (h *Header) Parse(b []byte) (n int, err error) {
	if len(b) < 2 {
		return 0, beginError(b)
	}
	b0, b1 := b[0], b[1]
	opcode, length := Opcode(b0&0x0f), uint64(b1&^maskBit)
	if !opcode.Known() || opcode.Control() && (b0&finBit == 0 || length > MaxControlPayload) {
		return 0, beginError(b)
	}
	n = 2
	if length >= len16 {
		if length, n = extendedLength(b, length); n == 0 {
			return 0, nil
		}
		if !shortest(length, n) {
			return 0, lengthError(length, n)
		}
	}
	var key uint32
	if b1&maskBit != 0 {
		if len(b) < n+4 {
			return 0, nil
		}
		key = binary.LittleEndian.Uint32(b[n:])
		n += 4
	}
	h.Fin, h.RSV, h.Opcode = b0&finBit != 0, b0&rsvBits, opcode
	h.Masked, h.Key, h.Length = b1&maskBit != 0, key, length
	return n, nil
}

// beginError says what the first two bytes of a header break, as far as they are
// there.
func beginError(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	opcode := Opcode(b[0] & 0x0f)
	switch {
	// 5.2: an unknown opcode fails the connection.
	case !opcode.Known():
		return protocolErrorf("5.2", "reserved %v", opcode)
	// 5.4: control frames themselves must not be fragmented.
	case opcode.Control() && b[0]&finBit == 0:
		return protocolErrorf("5.4", "fragmented %v", opcode)
	// 5.5: a control frame carries at most 125 bytes, so never an extended length.
	case opcode.Control() && len(b) > 1 && b[1]&^maskBit > MaxControlPayload:
		return protocolErrorf("5.5", "%v payload of more than 125 bytes", opcode)
	}
	return nil
}

// extendedLength decodes the length that short, 126 or 127, announces. It returns
// the size of the header with it, or 0 if b does not hold all of it.
func extendedLength(b []byte, short uint64) (length uint64, n int) {
	switch {
	case short == len16 && len(b) >= 4:
		return uint64(binary.BigEndian.Uint16(b[2:])), 4
	case short == len64 && len(b) >= 10:
		return binary.BigEndian.Uint64(b[2:]), 10
	}
	return 0, 0
}

// shortest reports whether a header of n bytes is the shortest for an extended
// length that is one.
func shortest(length uint64, n int) bool {
	if n == 4 {
		return length >= len16
	}
	return length > 0xffff && length>>63 == 0
}

func lengthError(length uint64, n int) error {
	// 5.2: the most significant bit must be 0.
	if length>>63 != 0 {
		return protocolErrorf("5.2", "length with its top bit set")
	}
	// 5.2: the minimal number of bytes must be used to encode the length.
	return protocolErrorf("5.2", "length %d in %d bits", length, 8*(n-2))
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
