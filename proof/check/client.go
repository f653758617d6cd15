package check

import (
	"maps"
	"slices"
	"sort"
)

// A span is a part of a channel's log that a client followed without a word of
// having missed something: it begins behind start.
type span struct {
	epoch     string
	start     uint64
	last      uint64 // of the newest publication or skip
	open      bool   // still subscribed when the next one began, or in the end
	left      bool   // the client ended it
	delivered map[uint64]bool
	skipped   []Event
}

// A follower is one client in one channel.
type follower struct {
	spans []*span
	seen  map[place]bool
}

// current returns the span that is going on, nil if there is none.
func (f *follower) current() *span {
	if len(f.spans) == 0 || !f.spans[len(f.spans)-1].open {
		return nil
	}
	return f.spans[len(f.spans)-1]
}

// client follows one client through everything that it was told.
func (c *checker) client(name string, events []Event) {
	followers := make(map[string]*follower)
	for _, e := range events {
		f := followers[e.Channel]
		if f == nil {
			f = &follower{seen: make(map[place]bool)}
			followers[e.Channel] = f
		}
		c.event(name, f, e)
	}
	for _, channel := range slices.Sorted(maps.Keys(followers)) {
		c.complete(name, channel, followers[channel])
	}
}

func (c *checker) event(client string, f *follower, e Event) {
	s := f.current()
	switch e.Kind {
	case Subscribed:
		c.subscribed(client, f, e)
	case Told, Left:
		if s != nil {
			s.open, s.left = false, e.Kind == Left
		}
		if e.Kind == Told {
			c.Told++
		}
	case Skipped:
		if c.continues(client, s, e) {
			s.skipped = append(s.skipped, e)
			s.last = e.Offset
		}
	case Delivered:
		c.delivered(client, f, s, e)
	}
}

// subscribed begins a span, or goes on with the one that the client was in. I2: a client
// that is subscribed begins another one only when it was told.
func (c *checker) subscribed(client string, f *follower, e Event) {
	if e.Recovered {
		// Another offset is another name of the same place: what lies between, and was not delivered, is
		// found missing in the end.
		if n := len(f.spans); n > 0 && f.spans[n-1].epoch == e.Epoch {
			f.spans[n-1].open, f.spans[n-1].left, f.spans[n-1].last = true, false, e.Offset
			return
		}
		c.violated("I2", client, e.Channel, "recovered at offset %d of epoch %q, where the client was not", e.Offset, e.Epoch)
	}
	if s := f.current(); s != nil {
		s.open = false
		if !e.Recovered {
			c.violated("I2", client, e.Channel, "begins anew at offset %d of epoch %q and was not told why", e.Offset, e.Epoch)
		}
	}
	f.spans = append(f.spans, &span{
		epoch: e.Epoch, start: e.Offset, last: e.Offset, open: true, delivered: make(map[uint64]bool),
	})
}

// continues reports whether e belongs to the span. I1: its prev is the last offset
// that the client saw.
func (c *checker) continues(client string, s *span, e Event) bool {
	switch {
	case s == nil:
		c.violated("I1", client, e.Channel, "offset %d came without a subscription", e.Offset)
		return false
	case s.epoch != e.Epoch:
		c.violated("I1", client, e.Channel, "offset %d is of epoch %q in a subscription of %q", e.Offset, e.Epoch, s.epoch)
		return false
	case s.last != e.Prev:
		c.violated("I1", client, e.Channel, "offset %d has prev %d behind %d", e.Offset, e.Prev, s.last)
	}
	return true
}

func (c *checker) delivered(client string, f *follower, s *span, e Event) {
	c.Delivered++
	at := place{e.Epoch, e.Offset}
	c.note(c.channel(e.Channel), client, e.Channel, at, message{e.ID, e.Payload})
	ok := c.continues(client, s, e)
	if f.seen[at] {
		c.Duplicated++
		c.violated("I3", client, e.Channel, "offset %d came twice", e.Offset)
		return
	}
	f.seen[at] = true
	if !ok {
		return
	}
	// I5: with one message at one place, all clients agree on the order when each
	// one's offsets rise.
	if e.Offset <= s.last {
		c.Reordered++
		c.violated("I5", client, e.Channel, "offset %d came behind %d", e.Offset, s.last)
	}
	s.delivered[e.Offset] = true
	s.last = max(s.last, e.Offset)
}

// complete looks for what the client did not get. I2: every acked message behind the
// start of a span was delivered or skipped, up to the span's last offset; and
// up to the end of the log where the client was never told that its span had ended.
func (c *checker) complete(client, channel string, f *follower) {
	ch := c.channel(channel)
	for i, s := range f.spans {
		offsets := ch.acked[s.epoch]
		first := sort.Search(len(offsets), func(i int) bool { return offsets[i] > s.start })
		for _, offset := range offsets[first:] {
			switch {
			case s.delivered[offset]:
			case s.skips(offset, ownReason):
				if ch.from[place{s.epoch, offset}] != client {
					c.violated("I2", client, channel, "offset %d of epoch %q was left out as its own, and is not", offset, s.epoch)
				}
			case s.skips(offset, ""):
				c.Skipped++
			case offset <= s.last || s.open:
				c.Lost++
				c.violated("I2", client, channel, "offset %d of epoch %q, %q, never came", offset, s.epoch, ch.at[place{s.epoch, offset}].id)
			case !s.left && !f.resumed(i, offset):
				c.DeclaredLost++
			}
		}
	}
	c.atEnd(client, channel, ch, f)
}

// resumed reports whether a later span begins before offset, and answers for it.
func (f *follower) resumed(i int, offset uint64) bool {
	for _, later := range f.spans[i+1:] {
		if later.epoch == f.spans[i].epoch && later.start < offset {
			return true
		}
	}
	return false
}

// atEnd finds a client that in the end is subscribed to a life of the log that is
// over, and was not told: the last message of all is in another epoch.
func (c *checker) atEnd(client, channel string, ch *channel, f *follower) {
	s := f.current()
	id := c.last[channel]
	if s == nil || ch.epochs[id] == 0 {
		return
	}
	if _, ok := ch.places[entry{s.epoch, id}]; !ok {
		c.Lost++
		c.violated("I2", client, channel, "in the end subscribed to epoch %q, but the last message is in another one", s.epoch)
	}
}

// ownReason is that of a skip of what the client has published itself.
const ownReason = "own"

// skips reports whether an offset was left out, for a reason unless that is empty.
func (s *span) skips(offset uint64, reason string) bool {
	for _, e := range s.skipped {
		if offset > e.Prev && offset <= e.Offset && (reason == "" || e.Reason == reason) {
			return true
		}
	}
	return false
}
