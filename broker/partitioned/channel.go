package partitioned

import (
	"time"

	"github.com/seed-15847954/ropewalk/broker/internal/retain"
	"github.com/seed-15847954/ropewalk/hub"
)

// A channel is what a node knows of one. It is guarded by its partition.
type channel struct {
	name string

	// top is the place of the last publication or, if this node knows of none, where in the partition it was
	// first asked for the channel: other nodes have other places then, and take this one for
	// theirs (Locate).
	top uint64

	// first and published are the places of the first and the last publication that this node knows,
	// 0 if it knows none.
	first, published uint64
	last             time.Time // of the last publication, by the log's clock

	history retain.History
	ids     retain.IDs
	matched retain.Matched
	sink    hub.Sink // nil unless subscribed to
}

// expected reports whether pos is the channel's position. All nodes know the last publication of the time for
// which the log's state is remembered, and where there is none any position will do.
func (c *channel) expected(pos, here hub.Position, oldest time.Time) bool {
	switch {
	case pos.Epoch != here.Epoch || pos.Offset >= here.Offset:
		return false
	case c.published > 0 && !c.last.Before(oldest):
		return pos.Offset == c.published
	}
	return true
}

// take puts a message at a place.
func (c *channel) take(e *entry, at hub.Position, now time.Time) (p *hub.Publication, grown int) {
	p = &hub.Publication{Message: e.Message, Position: at, Prev: c.top, Time: now}
	if c.published == 0 {
		c.first = at.Offset
	}
	c.top, c.published, c.last = at.Offset, at.Offset, now
	grown = c.history.Add(p, &e.kept)
	if e.kept.Dedup > 0 && e.ID != "" {
		c.ids.Add(e.ID, at.Offset, now, now.Add(e.kept.Dedup))
	}
	return p, grown
}

// locate returns the place that offset stands for on this node: nothing of the channel lies between the
// two. since is from where on this node knows the partition. It is not ok where something may lie
// between, or lies behind and is not kept.
func (c *channel) locate(offset, since uint64) (uint64, bool) {
	if offset >= c.top {
		return c.top, true
	}
	from := hub.Position{Offset: offset}
	page, _ := c.history.Read(hub.Query{From: &from, Limit: 1})
	switch {
	case len(page) == 0:
		return c.top, c.published == 0 && offset >= since
	case page[0].Prev <= offset, page[0].Offset == c.first && offset >= since:
		return page[0].Prev, true
	}
	return 0, false
}
