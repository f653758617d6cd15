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

// A channel is what the publishers' answers and all deliveries say about it.
type channel struct {
	at     map[place]message
	places map[string]place    // by ID
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
			places: make(map[string]place),
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
		c.note(ch, "", p.Channel, at, message{p.ID, p.Payload})
		if l, ok := last[p.Channel]; ok && l.epoch == p.Epoch && p.Offset <= l.offset {
			c.Reordered++
			c.violated("I7", "", p.Channel, "publisher %q: %q is at offset %d, its message before at %d", name, p.ID, p.Offset, l.offset)
		}
		last[p.Channel] = at
	}
}

// note holds a message at a place against what is known. I4: one place is one
// message, for everyone. I6: a message is at one place.
func (c *checker) note(ch *channel, client, name string, at place, m message) {
	if known, ok := ch.at[at]; ok && known != m {
		c.violated("I4", client, name, "offset %d of epoch %q is %q here and %q elsewhere", at.offset, at.epoch, m.id, known.id)
		return
	}
	ch.at[at] = m
	if known, ok := ch.places[m.id]; ok && known != at {
		c.Duplicated++
		c.violated("I6", client, name, "%q is at offset %d and at %d", m.id, known.offset, at.offset)
		return
	}
	ch.places[m.id] = at
	if ch.failed[m.id] {
		c.violated("I6", client, name, "%q was refused and yet is at offset %d", m.id, at.offset)
	}
}
