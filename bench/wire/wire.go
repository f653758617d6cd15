// Package wire writes and reads frames in the plainest way. It shares no code
// with the libraries that are measured, so that it can check them all.
package wire

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
)

const (
	continuation = 0
	binaryFrame  = 2
	ping         = 9
)

// The opcodes that clients use.
const (
	Text   = 1
	Binary = binaryFrame
	Close  = 8
	Ping   = ping
	Pong   = 10
)

// Stream returns count messages of size random bytes, each in one binary frame,
// and their payloads. The bytes are the same in every run.
func Stream(size, count int, masked bool) (stream []byte, payloads [][]byte) {
	source := rand.NewChaCha8([32]byte{'r', 'o', 'p', 'e', 'w', 'a', 'l', 'k'})
	for range count {
		payload := make([]byte, size)
		source.Read(payload)
		payloads = append(payloads, payload)
		stream = appendFrame(stream, payload, masked, source)
	}
	return stream, payloads
}

func appendFrame(b, payload []byte, masked bool, source *rand.ChaCha8) []byte {
	if !masked {
		return AppendFrame(b, payload)
	}
	var key [4]byte
	source.Read(key[:])
	return AppendMasked(b, payload, key, false)
}

// AppendFrame appends a server's frame to b: one binary message, not compressed.
func AppendFrame(b, payload []byte) []byte {
	return append(appendHeader(b, len(payload), 0x80|binaryFrame, 0), payload...)
}

// AppendMasked appends a client's frame to b: one binary message, which is
// compressed if RSV1 says so (RFC 7692, section 6).
func AppendMasked(b, payload []byte, key [4]byte, compressed bool) []byte {
	first := byte(0x80 | binaryFrame)
	if compressed {
		first |= 0x40
	}
	return appendMasked(b, first, payload, key)
}

// AppendClient appends a client's frame to b, of that opcode and not compressed.
func AppendClient(b []byte, opcode byte, payload []byte, key [4]byte) []byte {
	return appendMasked(b, 0x80|opcode, payload, key)
}

func appendMasked(b []byte, first byte, payload []byte, key [4]byte) []byte {
	b = append(appendHeader(b, len(payload), first, 0x80), key[:]...)
	for i, c := range payload {
		b = append(b, c^key[i%4])
	}
	return b
}

func appendHeader(b []byte, n int, first, maskBit byte) []byte {
	b = append(b, first)
	switch {
	case n < 126:
		return append(b, maskBit|byte(n))
	case n < 1<<16:
		return binary.BigEndian.AppendUint16(append(b, maskBit|126), uint16(n))
	default:
		return binary.BigEndian.AppendUint64(append(b, maskBit|127), uint64(n))
	}
}

// Messages returns the binary messages in stream, whose frames must be masked or
// not as said, and must be whole.
func Messages(stream []byte, masked bool) ([][]byte, error) {
	var messages [][]byte
	open := false
	for len(stream) > 0 {
		f, n, err := parse(stream)
		if err != nil {
			return nil, err
		}
		switch {
		case f.masked != masked:
			return nil, fmt.Errorf("wire: frame masked = %t, want %t", f.masked, masked)
		case !open && f.opcode == binaryFrame:
			messages = append(messages, nil)
		case open && f.opcode == continuation:
		default:
			return nil, fmt.Errorf("wire: frame of opcode %d, in a fragmented message: %t", f.opcode, open)
		}
		last := len(messages) - 1
		messages[last] = append(messages[last], f.payload...)
		open = !f.fin
		stream = stream[n:]
	}
	if open {
		return nil, fmt.Errorf("wire: stream ends within a message")
	}
	return messages, nil
}

type frame struct {
	fin, masked bool
	opcode      byte
	payload     []byte
}

// parse decodes the frame at the start of b and returns its size.
func parse(b []byte) (f frame, size int, err error) {
	short := fmt.Errorf("wire: %d bytes do not hold a frame", len(b))
	if len(b) < 2 {
		return f, 0, short
	}
	if b[0]&0x70 != 0 {
		return f, 0, fmt.Errorf("wire: reserved bits in %#x", b[0])
	}
	f.fin, f.opcode, f.masked = b[0]&0x80 != 0, b[0]&0x0f, b[1]&0x80 != 0
	length, at := uint64(b[1]&0x7f), 2
	if extra := map[uint64]int{126: 2, 127: 8}[length]; extra > 0 {
		if len(b) < at+extra {
			return f, 0, short
		}
		length = 0
		for _, c := range b[at : at+extra] {
			length = length<<8 | uint64(c)
		}
		at += extra
	}
	var key [4]byte
	if f.masked {
		at += copy(key[:], b[at:])
	}
	if uint64(len(b)) < uint64(at)+length {
		return f, 0, short
	}
	size = at + int(length)
	for i, c := range b[at:size] {
		f.payload = append(f.payload, c^key[i%4])
	}
	return f, size, nil
}
