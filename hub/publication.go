package hub

import (
	"sync"
	"sync/atomic"
	"time"
)

// A Position is a place in a channel's log: just behind the publication with
// that offset. An epoch is one life of the log; positions of different epochs
// cannot be compared.
type Position struct {
	// Epoch names the life of the log. It is opaque and never empty.
	Epoch string

	// Offset rises with every publication of the channel but need not be dense,
	// so that a gap is found by [Publication.Prev] and never by counting.
	// It stays below 2^53, which a JavaScript number holds exactly.
	Offset uint64
}

// A Message is what a publisher hands in.
type Message struct {
	// Channel is the channel's name, as [CheckChannel] allows it.
	Channel string

	// ID is the name that the publisher gives its message, or empty. Subscribers
	// see it as it came.
	ID string

	// Data is the payload: JSON text, or anything when ContentType is set.
	// A broker keeps the slice, so that nobody writes to it any more.
	Data []byte

	// ContentType is the media type of Data. Empty means application/json.
	ContentType string
}

// A Publication is a message that has its place in a channel's log. It is shared
// by all who receive it: nobody changes it, and it must not be copied.
type Publication struct {
	Message
	Position

	// Prev is the offset of the publication before this one in the same channel
	// and epoch, or the position where the log began. A subscriber whose last
	// offset is a different one has missed something.
	Prev uint64

	// Time is when the broker took the message.
	Time time.Time

	// encodings is a list that only grows, at its head.
	encodings atomic.Pointer[encoding]
}

// A Format names an encoding of publications, such as "ropewalk.v1.json".
type Format string

type encoding struct {
	format Format
	next   *encoding

	once  sync.Once
	bytes []byte
}

// Encoded returns p as encode gives it, which is called once for each format,
// however many subscribers there are. The bytes are shared: nobody changes them.
// It may be called at once by many goroutines.
func (p *Publication) Encoded(format Format, encode func(*Publication) []byte) []byte {
	e := p.encoding(format)
	e.once.Do(func() { e.bytes = encode(p) })
	return e.bytes
}

// encoding finds the entry of format and makes one where there is none.
func (p *Publication) encoding(format Format) *encoding {
	for {
		head := p.encodings.Load()
		for e := head; e != nil; e = e.next {
			if e.format == format {
				return e
			}
		}
		e := &encoding{format: format, next: head}
		if p.encodings.CompareAndSwap(head, e) {
			return e
		}
	}
}
