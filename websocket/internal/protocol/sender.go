package protocol

import (
	"errors"
	"math"
	"slices"

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
	deflate   *deflater     // nil: no permessage-deflate
	threshold int

	// The fragmented message under way, if inMessage.
	inMessage bool
	typ       frame.Opcode
	first     bool
	compress  bool
	text      frame.UTF8

	closed bool
}

// A deflater compresses.
type deflater struct {
	*deflate.Compressor
	bits    int    // of its window
	pending []byte // compressed, but not yet known to be sent
}

// NewSender returns a sender. key returns the masks of a client, each
// unpredictable from those before (RFC 6455, section 5.3), and is nil on a
// server. compressor, with a window of that many bits, is nil unless
// permessage-deflate is in use; messages shorter than threshold bytes are not
// compressed.
func NewSender(key func() uint32, compressor *deflate.Compressor, bits, threshold int) *Sender {
	s := &Sender{}
	s.Init(key, compressor, bits, threshold)
	return s
}

// Init makes s what NewSender returns.
func (s *Sender) Init(key func() uint32, compressor *deflate.Compressor, bits, threshold int) {
	*s = Sender{key: key, threshold: threshold}
	if compressor != nil {
		s.deflate = &deflater{Compressor: compressor, bits: bits}
	}
}

// AppendMessage appends p as one message in one frame, compressed if compress is
// set, that is agreed and it makes the message shorter. Once any of the appended bytes are sent, Sent must be
// called; if none are, Unsent, and the peer never knows of the message.
func (s *Sender) AppendMessage(dst []byte, typ frame.Opcode, p []byte, compress bool) ([]byte, error) {
	if err := s.Ready(); err != nil {
		return dst, err
	}
	if typ == frame.Text && !frame.ValidUTF8(p) {
		return dst, ErrNotUTF8
	}
	s.Unsent()
	if !compress || s.deflate == nil || len(p) < s.threshold {
		return s.appendFrame(dst, frame.Header{Fin: true, Opcode: typ}, p), nil
	}
	h := frame.Header{Fin: true, RSV: frame.RSV1, Opcode: typ}
	framed := s.appendDeflated(dst, h, len(p), func(b []byte) []byte { return s.deflate.Append(b, p) })
	if framed == nil {
		return s.appendFrame(dst, frame.Header{Fin: true, Opcode: typ}, p), nil
	}
	s.deflate.pending = p
	return framed, nil
}

// AppendPrepared appends m as AppendMessage does, and is as good as sent.
func (s *Sender) AppendPrepared(dst []byte, m *Prepared) ([]byte, error) {
	if err := s.Ready(); err != nil {
		return dst, err
	}
	if s.key != nil { // each frame has a mask of its own
		dst, err := s.AppendMessage(dst, m.typ, m.payload, true)
		s.Sent()
		return dst, err
	}
	if s.deflate != nil && len(m.payload) >= s.threshold {
		if b := m.deflated(s.deflate.bits); b != nil {
			s.deflate.Commit(m.payload)
			return append(dst, b...), nil
		}
	}
	return append(dst, m.plain...), nil
}

// Sent says that bytes of the last appended message left: it is now part of what
// the peer's decompressor has seen. It is called while the payload is
// still what AppendMessage was given, and does nothing for other frames.
func (s *Sender) Sent() {
	if d := s.deflate; d != nil && d.pending != nil {
		d.Commit(d.pending)
		d.pending = nil
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
func (s *Sender) Unsent() {
	if s.deflate != nil {
		s.deflate.pending = nil
	}
}

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
	s.first = false
	s.inMessage = !fin
	if s.compress {
		part := func(b []byte) []byte { return s.deflate.AppendPart(b, p, fin) }
		return s.appendDeflated(dst, h, math.MaxInt, part), nil
	}
	return s.appendFrame(dst, h, p), nil
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
	if !h.Masked {
		return append(dst, p...)
	}
	start := len(dst)
	dst = slices.Grow(dst, len(p))[:start+len(p)]
	frame.MaskCopy(dst[start:], p, h.Key)
	return dst
}

// appendDeflated appends a frame whose payload deflate appends. It returns nil,
// and leaves dst as it was, if the payload is not shorter than limit.
func (s *Sender) appendDeflated(dst []byte, h frame.Header, limit int, deflate func([]byte) []byte) []byte {
	if s.key != nil {
		h.Masked, h.Key = true, s.key()
	}
	// The length stands in front of the payload and is known after it.
	var room [frame.MaxHeader]byte
	start, head := len(dst), headerSize(h, limit)
	dst = deflate(append(dst, room[:head]...))
	payload := dst[start+head:]
	if len(payload) >= limit {
		return nil
	}
	if h.Masked {
		frame.Mask(payload, h.Key)
	}
	h.Length = uint64(len(payload))
	if n := len(frame.AppendHeader(room[:0], h)); n < head {
		copy(dst[start+n:], payload)
		dst = dst[:start+n+len(payload)]
	}
	frame.AppendHeader(dst[:start], h)
	return dst
}

// headerSize returns the size of h for a payload shorter than limit.
func headerSize(h frame.Header, limit int) int {
	h.Length = uint64(limit)
	var b [frame.MaxHeader]byte
	return len(frame.AppendHeader(b[:0], h))
}
