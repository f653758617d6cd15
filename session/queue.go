package session

import (
	"errors"

	"github.com/seed-15847954/ropewalk/hub"
)

// itemOverhead is added to the size of each queued packet, so that empty ones are
// bounded as well. It is what an item takes.
const itemOverhead = 96

// errOverflow means that a packet does not fit and nothing could make room.
var errOverflow = errors.New("outbound queue is full")

// An item is something that waits to be sent: a packet, and where it is a
// publication the place that it has in its subscription's chain. One that was
// dropped has no packet any more, only its place.
type item struct {
	packet hub.Packet

	sub    *subscription // nil unless a publication of a channel
	key    string
	epoch  string
	prev   uint64
	offset uint64
	reason SkipReason // why it was dropped; empty while it was not
}

func (i *item) size() int {
	if i.packet == nil {
		return itemOverhead
	}
	return i.packet.Size() + itemOverhead
}

// A queue is what the transport had no room for. It is guarded by Session.mu.
type queue struct {
	items   []item
	bytes   int
	dropped int // items without a packet
	blocked bool

	// emptied is closed when nothing waits any more. Nil unless somebody waits.
	emptied chan struct{}
}

func (q *queue) push(i item) {
	q.items = append(q.items, i)
	q.bytes += i.size()
	if i.packet == nil {
		q.dropped++
	}
}

// drop takes the packet of an item away, whose place then is skipped.
func (q *queue) drop(i *item, reason SkipReason) {
	q.bytes -= i.packet.Size()
	i.packet, i.reason, i.key = nil, reason, ""
	q.dropped++
}

// compact joins the places of dropped items that follow each other in a subscription,
// once they are more than half of the queue.
func (q *queue) compact() {
	if q.dropped < 32 || q.dropped < len(q.items)/2 {
		return
	}
	last := make(map[*subscription]int) // index of the subscription's last item that is kept
	kept := q.items[:0]
	for _, i := range q.items {
		if i.sub != nil {
			at, ok := last[i.sub]
			if ok && i.packet == nil && kept[at].joins(&i) {
				kept[at].offset = i.offset
				q.bytes -= itemOverhead
				q.dropped--
				continue
			}
			last[i.sub] = len(kept)
		}
		kept = append(kept, i)
	}
	clear(q.items[len(kept):])
	q.items = kept
}

// joins reports whether next goes on where i, which was dropped, ends.
func (i *item) joins(next *item) bool {
	return i.packet == nil && i.reason == next.reason && i.epoch == next.epoch && i.offset == next.prev
}

func (q *queue) clear() {
	*q = queue{blocked: true, emptied: q.emptied}
	q.tell()
}

// drained returns a channel that is closed when nothing waits any more. It is
// called once, when nothing more is queued.
func (q *queue) drained() <-chan struct{} {
	q.emptied = make(chan struct{})
	q.tell()
	return q.emptied
}

func (q *queue) tell() {
	if len(q.items) > 0 || q.emptied == nil {
		return
	}
	select {
	case <-q.emptied:
	default:
		close(q.emptied)
	}
}

// enqueue sends i, or queues it when something waits. mu is held. When it returns
// errOverflow the caller calls settle without mu.
func (s *Session) enqueue(i item) error {
	if s.cause != nil {
		return ErrClosed
	}
	q := &s.queue
	if len(q.items) == 0 && !q.blocked {
		if s.transmit(&i) {
			return nil
		}
		q.blocked = true
	}
	if i.sub != nil {
		s.supersede(&i)
	}
	if q.bytes+i.size() > s.MaxQueue && !s.makeRoom(&i) {
		return errOverflow
	}
	if i.sub != nil && i.sub.phase != live {
		return nil // making room has taken it off the queue
	}
	q.push(i)
	q.compact()
	return nil
}

// transmit hands an item to the transport. mu is held.
func (s *Session) transmit(i *item) bool {
	p := i.packet
	if p == nil {
		p = s.Codec.Skip(i.sub.target.Channel, i.prev, hub.Position{Epoch: i.epoch, Offset: i.offset}, i.reason)
	}
	if !s.Transport.Send(p) {
		return false
	}
	if i.sub != nil {
		i.sub.sent = hub.Position{Epoch: i.epoch, Offset: i.offset}
	}
	return true
}

// flush sends what waits until the transport has no room.
func (s *Session) flush() {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := &s.queue
	n := 0
	q.blocked = false
	for n < len(q.items) && !q.blocked {
		i := &q.items[n]
		// Dropped ones that follow each other in the queue are one packet.
		for n+1 < len(q.items) && i.sub != nil && q.items[n+1].sub == i.sub && q.items[n+1].packet == nil && i.joins(&q.items[n+1]) {
			next := &q.items[n+1]
			next.prev = i.prev
			q.bytes -= i.size()
			q.dropped--
			n, i = n+1, next
		}
		if !s.transmit(i) {
			q.blocked = true
			break
		}
		q.bytes -= i.size()
		if i.packet == nil {
			q.dropped--
		}
		n++
	}
	clear(q.items[:n])
	q.items = q.items[n:]
	if len(q.items) == 0 {
		q.items = nil
		q.tell()
		s.catchUp()
	}
}

// settle ends a session whose queue has overflowed. It is called without mu.
func (s *Session) settle(err error) error {
	if errors.Is(err, errOverflow) {
		s.Stats.Disconnected.Add(1)
		s.Close(ErrSlowConsumer)
		return ErrClosed
	}
	return err
}
