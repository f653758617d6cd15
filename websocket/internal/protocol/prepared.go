package protocol

import (
	"sync/atomic"

	"github.com/seed-15847954/ropewalk/websocket/frame"
	"github.com/seed-15847954/ropewalk/websocket/internal/deflate"
)

// A Prepared is a message that is encoded once for many Senders. It may be used
// by many goroutines at once.
type Prepared struct {
	plain   []byte // the frame of a server, not compressed
	payload []byte // within plain
	typ     frame.Opcode

	// The frame compressed for windows of 8 to 15 bits; empty if compression does
	// not pay. Made when first wanted.
	compressed [8]atomic.Pointer[[]byte]
}

// Init makes m the message p, which it copies. It must be called once.
func (m *Prepared) Init(typ frame.Opcode, p []byte) {
	m.typ = typ
	m.plain = make([]byte, 0, frame.MaxHeader+len(p))
	m.plain = frame.AppendHeader(m.plain, frame.Header{Fin: true, Opcode: typ, Length: uint64(len(p))})
	m.plain = append(m.plain, p...)
	m.payload = m.plain[len(m.plain)-len(p):]
}

// Type returns the message's type.
func (m *Prepared) Type() frame.Opcode { return m.typ }

// Payload returns the message, which is not to be changed.
func (m *Prepared) Payload() []byte { return m.payload }

// deflated returns the compressed frame for a window of that many bits, or
// nothing if compression does not pay.
func (m *Prepared) deflated(bits int) []byte {
	variant := &m.compressed[min(max(bits, 8), 15)-8]
	if b := variant.Load(); b != nil {
		return *b
	}
	// Two that want it first at once both make it.
	var b []byte
	if p := deflate.Compress(nil, m.payload, bits); len(p) < len(m.payload) {
		h := frame.Header{Fin: true, RSV: frame.RSV1, Opcode: m.typ, Length: uint64(len(p))}
		b = append(frame.AppendHeader(make([]byte, 0, frame.MaxHeader+len(p)), h), p...)
	}
	variant.Store(&b)
	return b
}
