//go:build linux

package load

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/seed-15847954/ropewalk/bench/wire"
)

// Offers of permessage-deflate, as a browser makes the first one.
const (
	OfferTakeover   = "permessage-deflate; client_max_window_bits"
	OfferNoTakeover = "permessage-deflate; client_no_context_takeover; server_no_context_takeover"
)

// Documents returns a stream of JSON documents of size bytes, compressed. How,
// each connection agrees with its server.
func Documents(size int) *Stream {
	count := min(streamBytes/size, 256)
	return &Stream{sendAt: make([]int, count+1), inflate: &inflation{payloads: documents(size, count)}}
}

// An inflation is a stream whose messages are compressed, both ways.
type inflation struct {
	payloads [][]byte
	takeover bool // the server uses what it has sent before

	// known are the compressed messages that have been inflated and found right,
	// where each stands for itself. They come again.
	known map[string]int
}

// agree returns the stream as the server wants it.
func (n *inflation) agree(agreed string) (*Stream, error) {
	name, parameters, _ := strings.Cut(agreed, ";")
	if strings.TrimSpace(name) != "permessage-deflate" {
		return nil, fmt.Errorf("the server does not agree to permessage-deflate: %q", agreed)
	}
	window, clientTakeover, serverTakeover := 15, true, true
	for p := range strings.SplitSeq(parameters, ";") {
		key, value, _ := strings.Cut(strings.TrimSpace(p), "=")
		switch key {
		case "client_max_window_bits":
			bits, err := strconv.Atoi(strings.Trim(value, `"`))
			if err != nil {
				return nil, fmt.Errorf("the server agrees to %q", agreed)
			}
			window = bits
		case "client_no_context_takeover":
			clientTakeover = false
		case "server_no_context_takeover":
			serverTakeover = false
		}
	}
	cycle := 1
	if clientTakeover {
		cycle = max(1<<window/len(n.payloads[0]), 1)
	}
	agreedOn := &inflation{payloads: n.payloads, takeover: serverTakeover, known: make(map[string]int)}
	return agreedOn.stream(cycle)
}

// stream compresses the messages. The first one of each cycle refers to none
// before it, so that none refers further back than the window reaches, and the
// stream can begin again.
func (n *inflation) stream(cycle int) (*Stream, error) {
	s := &Stream{cycle: cycle, sendAt: []int{0}, inflate: n}
	var packed bytes.Buffer
	w, err := flate.NewWriter(&packed, 6)
	if err != nil {
		return nil, err
	}
	count := len(n.payloads) - len(n.payloads)%cycle
	for i, p := range n.payloads[:max(count, 1)] {
		packed.Reset()
		if i%cycle == 0 {
			w.Reset(&packed)
		}
		if _, err := w.Write(p); err != nil {
			return nil, err
		}
		if err := w.Flush(); err != nil {
			return nil, err
		}
		body := bytes.TrimSuffix(packed.Bytes(), tail) // RFC 7692, section 7.2.1
		s.send = wire.AppendMasked(s.send, body, [4]byte{byte(i), 0x5a, 0xc3, 0x0f}, true)
		s.sendAt = append(s.sendAt, len(s.send))
	}
	return s, nil
}

// tail ends each compressed message and is not sent (RFC 7692, section 7.2.1).
var tail = []byte{0x00, 0x00, 0xff, 0xff}

func (n *inflation) receiver(s *Stream, first int) receiver {
	r := &inflater{inflation: n, count: s.count(), next: first, got: make([]byte, len(n.payloads[0])+1)}
	r.flate = flate.NewReader(&r.feed)
	return r
}

// An inflater takes frames, inflates their messages and compares them.
type inflater struct {
	*inflation

	count, next int // messages of the stream; the one that must come
	parser      wire.Parser
	feed        bytes.Reader
	input       []byte
	flate       io.ReadCloser
	got         []byte
	rest        []byte // of what was fed before and is not read yet
}

func (r *inflater) receive(p []byte) (messages int, err error) {
	err = r.parser.Parse(p, func(compressed bool, message []byte) error {
		if err := r.check(compressed, message); err != nil {
			return fmt.Errorf("message %d of the stream: %w", r.next, err)
		}
		r.next = (r.next + 1) % r.count
		messages++
		return nil
	})
	return messages, err
}

func (r *inflater) check(compressed bool, message []byte) error {
	want := r.payloads[r.next]
	switch {
	case !compressed:
		return compare(message, want)
	case r.takeover:
		return r.inflate(message, want)
	}
	if i, ok := r.known[string(message)]; ok && i == r.next {
		return nil
	}
	r.rest = nil
	if err := r.flate.(flate.Resetter).Reset(&r.feed, nil); err != nil {
		return err
	}
	if err := r.inflate(message, want); err != nil {
		return err
	}
	if len(r.known) < 1<<14 {
		r.known[string(message)] = r.next
	}
	return nil
}

// inflate reads what message inflates to. Where the next message goes on from it,
// its tail is read with that one, and so is what it has too much.
func (r *inflater) inflate(message, want []byte) error {
	r.input = append(append(append(r.input[:0], r.rest...), message...), tail...)
	r.feed.Reset(r.input)
	room := len(want)
	if !r.takeover {
		room++
	}
	n, err := io.ReadFull(r.flate, r.got[:room])
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return err
	}
	r.rest = append(r.rest[:0], r.input[len(r.input)-r.feed.Len():]...)
	return compare(r.got[:n], want)
}

func compare(got, want []byte) error {
	if !bytes.Equal(got, want) {
		return errDifferent
	}
	return nil
}
