package protocol

import (
	"errors"
	"unicode/utf8"

	"github.com/seed-15847954/ropewalk/websocket/frame"
	"github.com/seed-15847954/ropewalk/websocket/internal/deflate"
)

// What a Sender refuses to send. Nothing is appended then, and nothing changed.
var (
	ErrCloseSent      = errors.New("protocol: no data may follow a Close frame")
	ErrUnfinished     = errors.New("protocol: a fragmented message is not finished")
	ErrNotUTF8        = errors.New("protocol: text is not UTF-8")
	ErrControlTooLong = errors.New("protocol: control payload of more than 125 bytes")
)

// A Sender encodes what goes to one peer. It must not be used by two goroutines
// at once.
type Sender struct {
	// Constant after NewSender.
	key       func() uint32 // a fresh mask for each frame; nil on a server
	deflate   *deflate.Compressor
	threshold int

	// The fragmented message under way, if inMessage.
	inMessage bool
	typ       frame.Opcode
	first     bool
	compress  bool
	text      frame.UTF8

	closed  bool
	pending []byte // compressed, but not yet known to be sent
	scratch []byte // of a compressed payload, for the length stands in front of it
}

// NewSender returns a sender. key returns the masks of a client, each
// unpredictable from those before (RFC 6455, section 5.3), and is nil on a
// server. compressor is nil unless permessage-deflate is in use; messages
// shorter than threshold bytes are not compressed.
func NewSender(key func() uint32, compressor *deflate.Compressor, threshold int) *Sender {
	return &Sender{key: key, deflate: compressor, threshold: threshold}
}

// AppendMessage appends p as one message in one frame, compressed if compress is
// set and that is agreed. Once any of the appended bytes are sent, Sent must be
// called; if none are, Unsent, and the peer never knows of the message.
func (s *Sender) AppendMessage(dst []byte, typ frame.Opcode, p []byte, compress bool) ([]byte, error) {
	if err := s.Ready(); err != nil {
		return dst, err
	}
	if typ == frame.Text && !utf8.Valid(p) {
		return dst, ErrNotUTF8
	}
	s.pending = nil
	if !compress || s.deflate == nil || len(p) < s.threshold {
		return s.appendFrame(dst, frame.Header{Fin: true, Opcode: typ}, p), nil
	}
	s.pending = p
	s.scratch = s.deflate.Append(s.scratch[:0], p)
	dst = s.appendFrame(dst, frame.Header{Fin: true, RSV: frame.RSV1, Opcode: typ}, s.scratch)
	s.dropLargeScratch()
	return dst, nil
}

// Sent says that bytes of the last appended message left: it is now part of what
// the peer's decompressor has seen. It is called while the payload is
// still what AppendMessage was given, and does nothing for other frames.
func (s *Sender) Sent() {
	if s.pending != nil {
		s.deflate.Commit(s.pending)
		s.pending = nil
	}
}

// Ready returns the error that AppendMessage would return whatever the message.
func (s *Sender) Ready() error {
	switch {
	case s.closed:
		return ErrCloseSent
	case s.inMessage:
		return ErrUnfinished
	}
	return nil
}

// Unsent says that nothing of the last appended message left.
func (s *Sender) Unsent() { s.pending = nil }

// BeginMessage starts a message whose fragments AppendFragment appends.
func (s *Sender) BeginMessage(typ frame.Opcode, compress bool) error {
	if err := s.Ready(); err != nil {
		return err
	}
	s.inMessage, s.first, s.typ = true, true, typ
	s.compress = compress && s.deflate != nil
	s.text.Reset()
	return nil
}

// AppendFragment appends p as the next fragment of the message that
// BeginMessage started, and as its last one if fin is set. All that it appends
// must be sent.
func (s *Sender) AppendFragment(dst, p []byte, fin bool) ([]byte, error) {
	if s.closed {
		return dst, ErrCloseSent
	}
	if s.typ == frame.Text {
		text := s.text
		if !text.Valid(p) || fin && !text.Complete() {
			return dst, ErrNotUTF8
		}
		s.text = text
	}
	// 5.4: the first frame has the message's opcode, those after it are
	// continuations. RFC 7692, 6.1: RSV1 stands on the first frame alone.
	h := frame.Header{Fin: fin, Opcode: frame.Continuation}
	if s.first {
		h.Opcode = s.typ
		if s.compress {
			h.RSV = frame.RSV1
		}
	}
	if s.compress {
		s.scratch = s.deflate.AppendPart(s.scratch[:0], p, fin)
		p = s.scratch
	}
	s.first = false
	s.inMessage = !fin
	dst = s.appendFrame(dst, h, p)
	s.dropLargeScratch()
	return dst, nil
}

// AbandonMessage forgets the message that BeginMessage started and of which no
// fragment was appended.
func (s *Sender) AbandonMessage() {
	if s.first {
		s.inMessage = false
	}
}

// AppendControl appends a Ping or Pong frame. Behind the own Close frame only a
// Pong is appended, which is due until the peer's Close has come (RFC 6455,
// section 5.5.2).
func (s *Sender) AppendControl(dst []byte, op frame.Opcode, p []byte) ([]byte, error) {
	switch {
	case s.closed && op != frame.Pong:
		return dst, ErrCloseSent
	case len(p) > frame.MaxControlPayload: // 5.5
		return dst, ErrControlTooLong
	}
	return s.appendFrame(dst, frame.Header{Fin: true, Opcode: op}, p), nil
}

// AppendClose appends the Close frame, unless there was one already: an endpoint
// sends one at most (RFC 6455, section 5.5.1).
func (s *Sender) AppendClose(dst []byte, code frame.CloseCode, reason string) []byte {
	if s.closed {
		return dst
	}
	s.closed = true
	var payload [frame.MaxControlPayload]byte
	p := frame.AppendClose(payload[:0], code, reason)
	return s.appendFrame(dst, frame.Header{Fin: true, Opcode: frame.Close}, p)
}

// Closed reports whether the Close frame was appended.
func (s *Sender) Closed() bool { return s.closed }

func (s *Sender) appendFrame(dst []byte, h frame.Header, p []byte) []byte {
	h.Length = uint64(len(p))
	// 5.1, 5.3: a client masks every frame with a key of its own.
	if s.key != nil {
		h.Masked, h.Key = true, s.key()
	}
	dst = frame.AppendHeader(dst, h)
	start := len(dst)
	dst = append(dst, p...)
	if h.Masked {
		frame.Mask(dst[start:], h.Key)
	}
	return dst
}

// dropLargeScratch keeps one large message from holding its memory for the
// connection's life.
func (s *Sender) dropLargeScratch() {
	if cap(s.scratch) > 4<<10 {
		s.scratch = nil
	}
}
