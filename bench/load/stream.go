//go:build linux

package load

import (
	"bytes"
	"fmt"

	"github.com/seed-15847954/ropewalk/bench/wire"
)

// A Stream is the messages that a connection sends, one after the other and from
// the start again, and what it must get back for them: bytes that are made before
// anything is measured, so that a load costs little more than its system calls.
type Stream struct {
	send   []byte
	sendAt []int // where each message begins in send, and where the last one ends

	want   []byte // what comes back, byte for byte
	wantAt []int

	cycle int // how many messages stand together: a connection begins with the first of them

	inflate *inflation // instead of want, where the bytes are the server's choice
}

// streamBytes is about how large a stream is: as much as fits the second-level
// cache.
const streamBytes = 256 << 10

// Messages returns a stream of random messages of size bytes. If raw, the server
// knows no frames and sends back what it got.
func Messages(size int, raw bool) *Stream {
	count := min(max(streamBytes/size, 2), 1024)
	s := new(Stream)
	send, payloads := wire.Stream(size, count, true)
	s.send, s.sendAt = send, marks(len(send)/count, count)
	if raw {
		s.want, s.wantAt = s.send, s.sendAt
		return s
	}
	for _, p := range payloads {
		s.want = wire.AppendFrame(s.want, p)
	}
	s.wantAt = marks(len(s.want)/count, count)
	return s
}

// marks returns the multiples of size from 0 to count of them.
func marks(size, count int) []int {
	at := make([]int, count+1)
	for i := range at {
		at[i] = i * size
	}
	return at
}

// count returns how many messages there are before the first one comes again.
func (s *Stream) count() int { return len(s.sendAt) - 1 }

// A receiver checks what a connection gets.
type receiver interface {
	// receive takes the next bytes and returns how many messages are complete
	// with them.
	receive(p []byte) (messages int, err error)
}

// receiver returns one for a connection that begins with message first, to a
// server that sends messages in fragments or does not.
func (s *Stream) receiver(first int, fragments bool) receiver {
	if fragments && s.inflate == nil {
		return &joined{stream: s, next: first}
	}
	if s.inflate != nil {
		return s.inflate.receiver(s, first)
	}
	return &exact{stream: s, pos: s.wantAt[first], next: first}
}

// exact compares what comes with what the stream wants.
type exact struct {
	stream *Stream
	pos    int // in stream.want
	next   int // the message that pos lies in
}

func (e *exact) receive(p []byte) (messages int, err error) {
	for len(p) > 0 {
		n := min(len(p), len(e.stream.want)-e.pos)
		if !bytes.Equal(p[:n], e.stream.want[e.pos:e.pos+n]) {
			return messages, e.difference(p[:n])
		}
		p, e.pos = p[n:], e.pos+n
		for e.next < len(e.stream.wantAt)-1 && e.stream.wantAt[e.next+1] <= e.pos {
			e.next++
			messages++
		}
		if e.pos == len(e.stream.want) {
			e.pos, e.next = 0, 0
		}
	}
	return messages, nil
}

func (e *exact) difference(got []byte) error {
	want := e.stream.want[e.pos:]
	i := 0
	for got[i] == want[i] {
		i++
	}
	return fmt.Errorf("message %d of the stream, byte %d: got %#02x, want %#02x",
		e.next, e.pos+i-e.stream.wantAt[e.next], got[i], want[i])
}
