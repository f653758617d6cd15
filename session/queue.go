package session

import (
	"errors"

	"github.com/seed-15847954/ropewalk/hub"
)

const (
	// itemOverhead is added to the size of each queued packet, so that empty ones are
	// bounded as well. It is what an item takes.
	itemOverhead = 128

	// keyOverhead is what an item takes besides whose key is looked up.
	keyOverhead = 64
)

// errOverflow means that a packet does not fit and nothing could make room.
var errOverflow = errors.New("outbound queue is full")

// An item is something that waits to be sent: a packet, and where it is a
// publication of a channel the place that it has in its subscription's chain. One that
// was left out has no packet any more, only its place.
type item struct {
	packet       hub.Packet
	before, next *item // in the queue

	// Of publications of a channel alone.
	sub          *subscription
	older, newer *item // of the same subscription
	key          string
	prev, offset uint64     // its place: behind prev, up to offset
	reason       SkipReason // why it is left out; empty while it is not
}

func (i *item) size() int {
	size := itemOverhead
	if i.packet != nil {
		size += i.packet.Size()
		if i.sub != nil && i.sub.options.Slow == hub.Conflate {
			size += keyOverhead + len(i.key)
		}
	}
	return size
}

// A queue is what the transport had no room for. It is guarded by Session.mu.
//
// In each subscription's part of it no two that are left out follow each other: they
// are one. So there are never more of them than there are packets, and one.
type queue struct {
	first, last *item
	bytes       int
	blocked     bool // the transport has no room, and will call Ready

	// emptied is closed when nothing waits any more. Nil unless somebody waits.
	emptied chan struct{}
}

// A backlog is what waits of one subscription.
type backlog struct {
	oldest, newest *item
	keys           map[string]*item // by hub.Conflate: those with packets
}

func (q *queue) push(i item) {
	if sub := i.sub; sub != nil {
		if sub.backlog == nil {
			sub.backlog = new(backlog)
		}
		b := sub.backlog
		if i.packet == nil && b.newest != nil && b.newest.packet == nil {
			b.newest.absorb(&i)
			return
		}
		i.older = b.newest
	}
	n := &i
	n.before = q.last
	if q.last == nil {
		q.first = n
	} else {
		q.last.next = n
	}
	q.last = n
	q.bytes += n.size()
	if n.sub != nil {
		n.sub.backlog.add(n)
	}
}

func (b *backlog) add(n *item) {
	if b.newest == nil {
		b.oldest = n
	} else {
		b.newest.newer = n
	}
	b.newest = n
	if n.packet != nil && n.sub.options.Slow == hub.Conflate {
		if b.keys == nil {
			b.keys = make(map[string]*item)
		}
		b.keys[n.key] = n
	}
}

// absorb lengthens the place of i, which is left out, by that of the next one, which
// is as well.
func (i *item) absorb(next *item) {
	i.offset = next.offset
	if i.reason == SkipOwn {
		i.reason = next.reason
	}
}

// leaveOut takes the packet of n away, whose place then is skipped.
func (q *queue) leaveOut(n *item, reason SkipReason) {
	q.forgetKey(n)
	q.bytes -= n.size()
	n.packet, n.key, n.reason = nil, "", reason
	q.bytes += n.size()
	if older := n.older; older != nil && older.packet == nil {
		older.absorb(n)
		q.remove(n)
		n = older
	}
	if newer := n.newer; newer != nil && newer.packet == nil {
		n.absorb(newer)
		q.remove(newer)
	}
}

func (q *queue) forgetKey(n *item) {
	if n.sub != nil && n.packet != nil && n.sub.backlog.keys[n.key] == n {
		delete(n.sub.backlog.keys, n.key)
	}
}

// remove takes n out.
func (q *queue) remove(n *item) {
	q.bytes -= n.size()
	if n.before == nil {
		q.first = n.next
	} else {
		n.before.next = n.next
	}
	if n.next == nil {
		q.last = n.before
	} else {
		n.next.before = n.before
	}
	if n.sub != nil {
		q.forgetKey(n)
		n.sub.backlog.remove(n)
		if n.sub.backlog.oldest == nil {
			n.sub.backlog = nil
		}
	}
}

func (b *backlog) remove(n *item) {
	if n.older == nil {
		b.oldest = n.newer
	} else {
		n.older.newer = n.newer
	}
	if n.newer == nil {
		b.newest = n.older
	} else {
		n.newer.older = n.older
	}
}

// removeAll takes out what waits of a subscription.
func (q *queue) removeAll(sub *subscription) {
	for sub.backlog != nil {
		q.remove(sub.backlog.oldest)
	}
}

// clear drops everything. The subscriptions have ended or are about to.
func (q *queue) clear() {
	q.first, q.last, q.bytes = nil, nil, 0
	q.tell()
}

// drained returns a channel that is closed when nothing waits any more. It is
// called once, when nothing more is queued.
func (q *queue) drained() <-chan struct{} {
	emptied := make(chan struct{})
	q.emptied = emptied
	q.tell()
	return emptied
}

func (q *queue) tell() {
	if q.first == nil && q.emptied != nil {
		close(q.emptied)
		q.emptied = nil
	}
}

// enqueue sends i, or queues it when something waits. mu is held. When it returns
// errOverflow the caller calls settle without mu.
func (s *Session) enqueue(i item) error {
	if s.cause != nil {
		return ErrClosed
	}
	q := &s.queue
	if q.first == nil && !q.blocked {
		if s.transmit(&i) {
			return nil
		}
		q.blocked = true
	}
	if i.sub != nil {
		s.supersede(&i)
	}
	if !s.fits(&i) && !s.makeRoom(&i) {
		return errOverflow
	}
	if i.sub != nil && i.sub.phase == lagging {
		return nil // it is left to history
	}
	q.push(i)
	return nil
}

func (s *Session) fits(i *item) bool { return s.queue.bytes+i.size() <= s.MaxQueue }

// transmit hands an item to the transport. mu is held.
func (s *Session) transmit(i *item) bool {
	p := i.packet
	if p == nil {
		p = s.Codec.Skip(i.sub.target.Channel, i.prev, hub.Position{Epoch: i.sub.sent.Epoch, Offset: i.offset}, i.reason)
	}
	if !s.Transport.Send(p) {
		return false
	}
	if i.sub != nil {
		i.sub.sent.Offset = i.offset
	}
	return true
}

// flush sends what waits until the transport has no room.
func (s *Session) flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := &s.queue
	q.blocked = false
	for q.first != nil && !q.blocked {
		if s.transmit(q.first) {
			q.remove(q.first)
		} else {
			q.blocked = true
		}
	}
	if q.first == nil {
		q.tell()
		s.catchUp()
	}
}

// settle ends a session whose queue has overflowed. It is called without mu.
func (s *Session) settle(err error) error {
	if !errors.Is(err, errOverflow) {
		return err
	}
	s.Stats.Disconnected.Add(1)
	s.Close(ErrSlowConsumer)
	return ErrClosed
}
