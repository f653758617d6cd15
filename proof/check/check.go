package check

import (
	"maps"
	"slices"
)

// A place is where a message is in its channel.
type place struct {
	epoch  string
	offset uint64
}

// A message is what is known of one place, or one ID, of a channel.
type message struct{ id, payload string }

// An entry is a message in one life of a channel's log. Whoever retries after a fault
// that ended a life publishes into the next one: nobody remembers the key any more.
type entry struct{ epoch, id string }

// A channel is what the publishers' answers and all deliveries say about it.
type channel struct {
	at     map[place]message
	from   map[place]string    // publishers of those that were acked
	places map[entry]uint64    // offsets
	epochs map[string]int      // in how many a message is, by ID
	failed map[string]bool     // IDs
	acked  map[string][]uint64 // offsets by epoch, rising
}

type checker struct {
	Verdict
	channels map[string]*channel
	last     map[string]string
}

// Check compares the history with the invariants.
func Check(h History) Verdict {
	c := &checker{channels: make(map[string]*channel), last: h.Last}
	c.Found = make(map[string]int)
	for _, name := range slices.Sorted(maps.Keys(h.Publishers)) {
		c.publisher(name, h.Publishers[name])
	}
	for _, ch := range c.channels {
		for _, offsets := range ch.acked {
			slices.Sort(offsets)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(h.Clients)) {
		c.client(name, h.Clients[name])
	}
	return c.Verdict
}

func (c *checker) channel(name string) *channel {
	ch := c.channels[name]
	if ch == nil {
		ch = &channel{
			at:     make(map[place]message),
			from:   make(map[place]string),
			places: make(map[entry]uint64),
			epochs: make(map[string]int),
			failed: make(map[string]bool),
			acked:  make(map[string][]uint64),
		}
		c.channels[name] = ch
	}
	return ch
}

// publisher notes what became of its messages. I7: the order of its acked
// messages in a channel is that of their offsets.
func (c *checker) publisher(name string, all []Publish) {
	last := make(map[string]place)
	for _, p := range all {
		ch := c.channel(p.Channel)
		switch p.Outcome {
		case Indeterminate:
			c.Indeterminate++
			continue
		case Failed:
			ch.failed[p.ID] = true
			continue
		}
		c.Acked++
		at := place{p.Epoch, p.Offset}
		ch.acked[p.Epoch] = append(ch.acked[p.Epoch], p.Offset)
		ch.from[at] = name
		c.note(ch, "", p.Channel, at, message{p.ID, p.Payload})
		if l, ok := last[p.Channel]; ok && l.epoch == p.Epoch && p.Offset <= l.offset {
			c.Reordered++
			c.violated("I7", "", p.Channel, "publisher %q: %q is at offset %d, its message before at %d", name, p.ID, p.Offset, l.offset)
		}
		last[p.Channel] = at
	}
}

// note holds a message at a place against what is known. I4: one place is one
// message, for everyone. I6: a message is at one place of an epoch.
func (c *checker) note(ch *channel, client, channel string, at place, m message) {
	if known, ok := ch.at[at]; ok && known != m {
		c.violated("I4", client, channel, "offset %d of epoch %q is %q here and %q elsewhere", at.offset, at.epoch, m.id, known.id)
		return
	}
	ch.at[at] = m
	known, ok := ch.places[entry{at.epoch, m.id}]
	if ok && known != at.offset {
		c.Duplicated++
		c.violated("I6", client, channel, "%q is at offset %d and at %d", m.id, known, at.offset)
		return
	}
	if !ok {
		ch.places[entry{at.epoch, m.id}] = at.offset
		if ch.epochs[m.id]++; ch.epochs[m.id] == 2 {
			c.Repeated++
		}
	}
	if ch.failed[m.id] {
		c.violated("I6", client, channel, "%q was refused and yet is at offset %d", m.id, at.offset)
	}
}
