package protocol

import (
	"encoding/binary"

	"github.com/seed-15847954/ropewalk/websocket/frame"
)

// Whole decodes the most frequent input in one step: b begins with a message in
// one frame, not compressed, that has come whole. It returns the message and how
// many bytes of b it used, or 0 for anything else, which is left to Next. It
// unmasks b in place.
func (r *Receiver) Whole(b []byte) (typ frame.Opcode, p []byte, n int) {
	if !r.Between() || len(b) < 2 {
		return 0, nil, 0
	}
	head, length := 2, uint64(b[1]&0x7f)
	typ = frame.Opcode(b[0] &^ 0x80)
	if b[0]&0x80 == 0 || typ != frame.Text && typ != frame.Binary || b[1]&0x80 != 0 != r.masked {
		return 0, nil, 0
	}
	if length > 125 {
		if length != 126 || len(b) < 4 {
			return 0, nil, 0
		}
		head, length = 4, uint64(binary.BigEndian.Uint16(b[2:]))
		if length < 126 { // 5.2: not the shortest form
			return 0, nil, 0
		}
	}
	if r.masked {
		head += 4
	}
	if limit := r.limits.MessageSize; uint64(len(b)) < uint64(head)+length || limit >= 0 && length > uint64(limit) || r.limits.Fragments == 0 {
		return 0, nil, 0
	}
	n = head + int(length)
	p = b[head:n:n]
	var key uint32
	if r.masked {
		key = binary.LittleEndian.Uint32(b[head-4:])
		frame.Mask(p, key)
	}
	if typ == frame.Text && !frame.ValidUTF8(p) {
		frame.Mask(p, key)
		return 0, nil, 0
	}
	return typ, p, n
}
