package hub

import (
	"sync"
	"sync/atomic"
)

// A Format names an encoding, such as "ropewalk.v1.json".
type Format string

// A Packet is something encoded for clients of one format, ready to be sent to any
// number of them. Who makes packets and who sends them agree on what they are.
type Packet interface {
	// Size returns how many bytes it is, for bounding queues.
	Size() int
}

// encodings is a list that grows at its head, until Forget.
type encodings struct {
	head atomic.Pointer[encoding]
}

type encoding struct {
	format Format
	next   *encoding

	once   sync.Once
	packet Packet
}

// Encoded returns what encode gives, which is called once for each format before Forget,
// however many subscribers there are. The packet is shared: nobody changes it.
// It may be called at once by many goroutines.
func (l *encodings) Encoded(format Format, encode func() Packet) Packet {
	e := l.find(format)
	e.once.Do(func() { e.packet = encode() })
	return e.packet
}

// Forget drops what was encoded; whoever wants it again encodes it anew. A broker that keeps
// a publication calls it when its subscribers have theirs: most of what is kept is never
// asked for, and costs several times its size meanwhile.
func (l *encodings) Forget() { l.head.Store(nil) }

// find returns the entry of format and makes one where there is none.
func (l *encodings) find(format Format) *encoding {
	for {
		head := l.head.Load()
		for e := head; e != nil; e = e.next {
			if e.format == format {
				return e
			}
		}
		e := &encoding{format: format, next: head}
		if l.head.CompareAndSwap(head, e) {
			return e
		}
	}
}
