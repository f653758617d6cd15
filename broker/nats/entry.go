package nats

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/seed-15847954/ropewalk/broker/wire"
	"github.com/seed-15847954/ropewalk/hub"
)

// The headers of an entry of the log.
const (
	// headerKind is "p HISTORY MILLIS", a publication and what its channel keeps, or "b", the
	// place where the log of a channel begins to which nothing has been published.
	headerKind = "Rw"

	headerID        = "Nats-Msg-Id"
	headerExpect    = "Nats-Expected-Last-Subject-Sequence"
	headerExpectID  = "Nats-Expected-Last-Msg-Id"
	headerRollup    = "Nats-Rollup"
	headerSubject   = "Nats-Subject"
	headerSequence  = "Nats-Sequence"
	headerTime      = "Nats-Time-Stamp"
	headerPrevious  = "Nats-Last-Sequence"
	headerRemaining = "Nats-Num-Pending"
	headerUpTo      = "Nats-UpTo-Sequence"
	headerStatus    = "Status"
)

// An entry is a message of the stream. It may be a stranger's: then it is no publication.
type entry struct {
	epoch, token string
	seq          uint64
	prev         uint64 // of the same channel, or of the same reading, or 0
	remaining    uint64 // behind it in the same channel, where it was read
	time         time.Time

	keep  int // publications that the channel keeps
	age   time.Duration
	begin bool
	body  []byte // of a publication; nil: it is none
}

// parseEntry takes what JetStream hands out as a message with headers.
func (n names) parseEntry(h nats.Header, body []byte) (entry, error) {
	var e entry
	var err error
	var ok bool
	if e.epoch, e.token, ok = n.parseLog(last(h, headerSubject)); !ok {
		return e, errors.New("not of the log")
	}
	if e.seq, err = strconv.ParseUint(last(h, headerSequence), 10, 64); err != nil || e.seq == 0 {
		return e, errors.New("no sequence")
	}
	if e.time, err = time.Parse(time.RFC3339Nano, last(h, headerTime)); err != nil {
		return e, errors.New("no time")
	}
	if e.prev, err = optional(last(h, headerPrevious)); err != nil || e.prev >= e.seq {
		return e, errors.New("the previous sequence is none")
	}
	if e.remaining, err = optional(last(h, headerRemaining)); err != nil {
		return e, errors.New("the number of what follows is none")
	}
	e.readKind(h.Get(headerKind), body)
	return e, nil
}

// last returns the last value of a header: the server adds its own behind what a stranger may have sent.
func last(h nats.Header, name string) string {
	if values := h[name]; len(values) > 0 {
		return values[len(values)-1]
	}
	return ""
}

func optional(s string) (uint64, error) {
	if s == "" {
		return 0, nil
	}
	return strconv.ParseUint(s, 10, 64)
}

func (e *entry) readKind(kind string, body []byte) {
	words := strings.Split(kind, " ")
	e.begin = kind == "b"
	if words[0] != "p" || len(words) != 3 {
		return
	}
	keep, err := strconv.ParseUint(words[1], 10, 31)
	if err != nil {
		return
	}
	ms, err := strconv.ParseUint(words[2], 10, 43) // up to 278 years
	if err != nil {
		return
	}
	if body == nil {
		body = []byte{}
	}
	e.keep, e.age, e.body = int(keep), time.Duration(ms)*time.Millisecond, body
}

// kindOf is the header of a publication of a channel.
func kindOf(o *hub.Options) string {
	if !o.Recoverable() {
		return "p 0 0"
	}
	ms := max(o.HistoryTime.Milliseconds(), 1)
	return fmt.Sprintf("p %d %d", o.History, ms)
}

func (e *entry) position() hub.Position { return hub.Position{Epoch: e.epoch, Offset: e.seq} }

// publication returns what the entry holds. Where nothing is known of what was in front of
// it, the log began just there.
func (e *entry) publication(channel string, prev uint64) (*hub.Publication, error) {
	if e.body == nil {
		return nil, errors.New("not a publication")
	}
	m, err := wire.ParseMessage(channel, e.body)
	if err != nil {
		return nil, err
	}
	if prev == 0 {
		prev = e.seq - 1
	}
	return &hub.Publication{Message: m, Position: e.position(), Prev: prev, Time: e.time}, nil
}
