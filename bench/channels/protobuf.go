//go:build linux

package channels

import (
	"encoding/binary"
	"errors"
)

// What follows writes and reads as much of Protocol Buffers as the dialects need, and
// shares no code with the servers.

const (
	varint = 0
	length = 2
)

func number(b []byte, tag, n uint64) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(b, tag<<3|varint), n)
}

func field(b []byte, tag uint64, body []byte) []byte {
	return append(binary.AppendUvarint(binary.AppendUvarint(b, tag<<3|length), uint64(len(body))), body...)
}

// text leaves out what is empty.
func text(b []byte, tag uint64, s string) []byte {
	if s == "" {
		return b
	}
	return field(b, tag, []byte(s))
}

// numbered puts the number of a command, which is its field 1, in front of it.
func numbered(id uint64, command []byte) []byte {
	return append(number(nil, 1, id), command...)
}

func delimited(m []byte) []byte {
	return append(binary.AppendUvarint(nil, uint64(len(m))), m...)
}

func eachDelimited(message []byte, visit func(m []byte) error) error {
	for len(message) > 0 {
		n, size := binary.Uvarint(message)
		if size <= 0 || n > uint64(len(message)-size) {
			return errors.New("a message's length is wrong")
		}
		if err := visit(message[size : size+int(n)]); err != nil {
			return err
		}
		message = message[size+int(n):]
	}
	return nil
}

// ropewalkKind reads the start of an Event: the field that it is, and of a reply
// its id and the field that it holds.
func ropewalkKind(m []byte) kind {
	if len(m) == 0 {
		return unknown
	}
	switch m[0] >> 3 {
	case 2:
		return publication
	case 3:
		return skipped
	case 1:
		if _, size := binary.Uvarint(m[1:]); size > 0 {
			return replyKind(m[1+size:], 3, 4)
		}
	}
	return unknown
}

// centrifugeKind reads the start of a Reply: the push that it is, or the same.
func centrifugeKind(m []byte) kind {
	switch {
	case len(m) == 0:
		return ping
	case m[0]>>3 == 4:
		return publication
	}
	return replyKind(m, 5, 6)
}

// replyKind reads a reply to a command, whose fields for connect and subscribe are
// those.
func replyKind(m []byte, connect, subscribe byte) kind {
	if len(m) < 3 || m[0] != 1<<3 {
		return unknown
	}
	switch [2]byte{m[1], m[2] >> 3} {
	case [2]byte{1, connect}:
		return connected
	case [2]byte{2, subscribe}:
		return subscribed
	}
	return unknown
}
