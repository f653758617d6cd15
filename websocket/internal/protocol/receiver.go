// Package protocol is the WebSocket protocol without I/O (RFC 6455, sections 5
// to 8): a Receiver turns bytes into events, a Sender turns messages into bytes.
// Neither opens a socket, starts a goroutine or asks what time it is. They share
// no state, so that reading and writing need no common lock.
package protocol

import (
	"fmt"
	"time"

	"github.com/seed-15847954/ropewalk/websocket/frame"
)

// A Kind says what an Event is.
type Kind uint8

// The kinds of events.
const (
	None  Kind = iota // all input is used up, more is needed
	Data              // a piece of a message
	Ping              // Payload is to be sent back in a Pong
	Pong              // Payload is what the Ping carried
	Close             // the peer's Close frame; nothing after it counts
)

// An Event is what a Receiver found in its input.
type Event struct {
	Kind Kind

	// Of Data. A message is one or more pieces, the first of them marked First
	// and the last marked Last. Where pieces end depends on how the input was
	// split; the message that they make up does not.
	Type       frame.Opcode // Text or Binary, on every piece
	Compressed bool         // Payload is to be inflated (RFC 7692, section 6.2)
	First      bool
	Last       bool

	// Payload is unmasked and, of text that is not compressed, checked to be
	// UTF-8. It is valid until the next call of Next, and lies within the input or
	// within the Receiver.
	Payload []byte

	// Of Close.
	Code   frame.CloseCode
	Reason string
}

// Limits bounds what a peer may send. A negative value means no bound; zero is
// a bound of zero. What exceeds them gets the close code named here.
type Limits struct {
	MessageSize int64         // bytes, after decompression: 1009
	Fragments   int           // frames a message, empty ones included: 1008
	ControlRate int           // Ping and Pong a second, ten times as many at once: 1008
	MessageTime time.Duration // from a message's first frame to its last byte: 1008
}

// A Receiver decodes what one peer sends. It must not be used by two goroutines
// at once.
type Receiver struct {
	// Constant after NewReceiver.
	masked  bool // the peer must mask
	deflate bool // RSV1 has the meaning of RFC 7692
	limits  Limits

	// The header that has come in part.
	head    [frame.MaxHeader]byte
	headLen int

	// The frame under way, if inFrame.
	inFrame bool
	h       frame.Header
	left    uint64 // bytes of its payload still to come
	key     uint32
	control [frame.MaxControlPayload]byte // a control payload that has come in part
	ctlLen  int

	// The message under way, if inMessage.
	inMessage  bool
	first      bool // no piece of it was given out yet
	typ        frame.Opcode
	compressed bool
	size       int64 // bytes in its frames so far, as they were declared
	fragments  int
	began      time.Time
	text       frame.UTF8

	flood  Flood
	closed bool
	err    error
}

// NewReceiver returns the receiver of a server, whose peer must mask, or of a
// client, whose peer must not. deflate says whether permessage-deflate is in use.
func NewReceiver(server, deflate bool, limits Limits) *Receiver {
	r := &Receiver{}
	r.Init(server, deflate, limits, Flood{})
	return r
}

// Init makes r what NewReceiver returns, as the successor of one whose Flood is
// given.
func (r *Receiver) Init(server, deflate bool, limits Limits, flood Flood) {
	*r = Receiver{masked: server, deflate: deflate, limits: limits, flood: flood}
}

// Between reports whether r is between two messages, so that all it knows is how
// many control frames came.
func (r *Receiver) Between() bool {
	return !r.inFrame && !r.inMessage && r.headLen == 0 && !r.closed && r.err == nil
}

// Left returns how many bytes of the frame under way were announced and have not
// come yet.
func (r *Receiver) Left() uint64 {
	if !r.inFrame {
		return 0
	}
	return r.left
}

// Flood returns how many control frames came.
func (r *Receiver) Flood() Flood { return r.flood }

// Next decodes the start of b and returns one event and how many bytes it used.
// It unmasks b in place. After None all of b is used up. What follows a Close
// frame is used up and discarded.
//
// The error is a *frame.Error and final: RFC 6455, section 7.1.7, forbids to
// process anything more from the peer.
func (r *Receiver) Next(now time.Time, b []byte) (Event, int, error) {
	if r.err != nil {
		return Event{}, 0, r.err
	}
	if r.closed {
		return Event{}, len(b), nil
	}
	ev, n, err := r.next(now, b)
	if err != nil {
		r.err = err
		return Event{}, n, err
	}
	return ev, n, nil
}

func (r *Receiver) next(now time.Time, b []byte) (Event, int, error) {
	// Control frames do not keep a message alive, so that whatever comes ends it.
	if limit := r.limits.MessageTime; r.inMessage && limit >= 0 && now.Sub(r.began) > limit {
		return Event{}, 0, policyErrorf("message still unfinished after %v", limit)
	}
	used := 0
	for {
		if !r.inFrame {
			n, err := r.header(now, b[used:])
			used += n
			if err != nil || !r.inFrame {
				return Event{}, used, err
			}
		}
		var (
			ev  Event
			n   int
			err error
		)
		if r.h.Opcode.Control() {
			ev, n, err = r.controlFrame(b[used:])
		} else {
			ev, n, err = r.dataFrame(b[used:])
		}
		used += n
		// Without an event either the input has ended, or a frame has: an empty
		// fragment is nothing to tell of.
		if err != nil || ev.Kind != None || r.inFrame {
			return ev, used, err
		}
	}
}

// header decodes a frame header that may have begun in earlier input. It sets
// inFrame when it is complete.
func (r *Receiver) header(now time.Time, b []byte) (n int, err error) {
	var h frame.Header
	if r.headLen == 0 {
		if h, n, err = frame.ParseHeader(b); err != nil {
			return 0, err
		}
		if n == 0 {
			r.headLen = copy(r.head[:], b)
			return len(b), nil
		}
	} else {
		had := r.headLen
		r.headLen += copy(r.head[had:], b)
		if h, n, err = frame.ParseHeader(r.head[:r.headLen]); err != nil {
			return 0, err
		}
		if n == 0 {
			return len(b), nil
		}
		n -= had
		r.headLen = 0
	}
	return n, r.begin(now, h)
}

// begin starts the frame that h announces.
func (r *Receiver) begin(now time.Time, h frame.Header) error {
	// 5.2: a reserved bit without a negotiated meaning fails the connection.
	// RFC 7692, 6: RSV1 is for the first frame of a data message alone.
	meaning := uint8(0)
	if r.deflate && (h.Opcode == frame.Text || h.Opcode == frame.Binary) {
		meaning = frame.RSV1
	}
	if h.RSV&^meaning != 0 {
		return protocolErrorf("5.2", "reserved bits %#02x on %v", h.RSV&^meaning, h.Opcode)
	}
	// 5.1: the server closes upon a frame that is not masked, the client upon one
	// that is. Taking it would let a cache-poisoning peer pass as honest.
	if h.Masked != r.masked {
		if r.masked {
			return protocolErrorf("5.1", "%v from the client is not masked", h.Opcode)
		}
		return protocolErrorf("5.1", "%v from the server is masked", h.Opcode)
	}
	var err error
	if h.Opcode.Control() {
		err = r.beginControl(now, h)
	} else {
		err = r.beginData(now, h)
	}
	if err != nil {
		return err
	}
	r.inFrame, r.h, r.left, r.key, r.ctlLen = true, h, h.Length, h.Key, 0
	return nil
}

func (r *Receiver) beginControl(now time.Time, h frame.Header) error {
	if h.Opcode != frame.Close && r.limits.ControlRate >= 0 && !r.flood.take(now, r.limits.ControlRate) {
		return policyErrorf("more than %d control frames a second", r.limits.ControlRate)
	}
	return nil
}

func (r *Receiver) beginData(now time.Time, h frame.Header) error {
	switch {
	case h.Opcode == frame.Continuation && !r.inMessage:
		return protocolErrorf("5.4", "continuation of no message")
	case h.Opcode != frame.Continuation && r.inMessage:
		return protocolErrorf("5.4", "%v inside an unfinished message", h.Opcode)
	case !r.inMessage:
		r.inMessage, r.first = true, true
		r.typ, r.compressed = h.Opcode, h.RSV&frame.RSV1 != 0
		r.size, r.fragments, r.began = 0, 0, now
		r.text.Reset()
	}
	if r.fragments++; r.limits.Fragments >= 0 && r.fragments > r.limits.Fragments {
		return policyErrorf("message in more than %d fragments", r.limits.Fragments)
	}
	if limit := r.sizeLimit(); limit >= 0 && h.Length > uint64(limit-r.size) {
		return &frame.Error{
			Code: frame.CloseMessageTooBig, Section: "10.4",
			Reason: fmt.Sprintf("message of more than %d bytes", r.limits.MessageSize),
		}
	}
	r.size += int64(h.Length)
	if r.size < 0 { // only without a limit: 2^63 bytes are not a message
		return &frame.Error{Code: frame.CloseMessageTooBig, Section: "10.4", Reason: "message of more than 2^63 bytes"}
	}
	return nil
}

// sizeLimit bounds the bytes in a message's frames. What a compressed message
// inflates to is counted elsewhere; here it may exceed the limit by what DEFLATE
// adds to data that it cannot compress, short stored blocks included, and by what
// it costs to flush after each fragment. The sum is negative, which means none,
// if the limit is close to 2^63.
func (r *Receiver) sizeLimit() int64 {
	limit := r.limits.MessageSize
	if limit >= 0 && r.compressed {
		return limit + limit/8 + 1024 + 16*int64(r.fragments)
	}
	return limit
}

func (r *Receiver) controlFrame(b []byte) (Event, int, error) {
	n := int(min(r.left, uint64(len(b))))
	payload := b[:n]
	r.left -= uint64(n)
	if r.left > 0 || r.ctlLen > 0 {
		r.ctlLen += copy(r.control[r.ctlLen:], payload)
		payload = r.control[:r.ctlLen]
	}
	if r.left > 0 {
		return Event{}, n, nil
	}
	r.inFrame = false
	if r.masked {
		frame.Mask(payload, r.key)
	}
	switch r.h.Opcode {
	case frame.Ping:
		return Event{Kind: Ping, Payload: payload}, n, nil
	case frame.Pong:
		return Event{Kind: Pong, Payload: payload}, n, nil
	}
	code, reason, err := frame.ParseClose(payload)
	if err != nil {
		return Event{}, n, err
	}
	r.closed = true
	return Event{Kind: Close, Code: code, Reason: reason}, n, nil
}

func (r *Receiver) dataFrame(b []byte) (Event, int, error) {
	n := int(min(r.left, uint64(len(b))))
	if n == 0 && r.left > 0 {
		return Event{}, 0, nil
	}
	payload := b[:n:n]
	if r.masked {
		r.key = frame.Mask(payload, r.key)
	}
	r.left -= uint64(n)
	r.inFrame = r.left > 0
	last := r.h.Fin && !r.inFrame
	if r.typ == frame.Text && !r.compressed {
		// 8.1: text that is not UTF-8 fails the connection, at the first byte that
		// cannot become valid.
		if !r.text.Valid(payload) || last && !r.text.Complete() {
			return Event{}, n, errNotUTF8
		}
	}
	if n == 0 && !r.first && !last {
		return Event{}, n, nil
	}
	ev := Event{
		Kind: Data, Type: r.typ, Compressed: r.compressed,
		First: r.first, Last: last, Payload: payload,
	}
	r.first = false
	if last {
		r.inMessage = false
	}
	return ev, n, nil
}
