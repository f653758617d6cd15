package hub

import (
	"slices"
	"sync"
	"time"
)

// A tail holds the recent publications of an open channel, so that a client which
// comes back is served without the broker. It is guarded by the channel's lock.
// It ends with the last publication that was handed on.
type tail struct {
	run
	entries []*entry // of the same publications
}

// An entry is a publication's place in the list of all tails.
type entry struct {
	// Constant.
	channel *channel
	offset  uint64
	size    int64

	older, newer *entry // guarded by tails.mu
}

// tails bounds the memory of all tails. Its lock is taken behind a channel's.
type tails struct {
	limit int64 // constant; negative: nothing is kept

	mu    sync.Mutex
	bytes int64
	ring  entry // its newer is the oldest entry and its older the newest
}

// weight is what a publication is counted as, in bytes: what it holds, as much for an
// encoding of its data, and what its structures take.
func weight(p *Publication) int {
	n := 2*len(p.Data) + len(p.Channel) + len(p.ID) + len(p.Key) + 512
	for k, v := range p.Tags {
		n += len(k) + len(v) + 32
	}
	return n
}

// resetTail empties the tail; it goes on from the last publication.
func (ch *channel) resetTail() {
	ch.dropTail(len(ch.tail.entries))
	ch.tail = tail{run: run{start: ch.last.Offset}}
}

// keep adds the last publication and lets those go that the channel's options
// do not allow any more.
func (ch *channel) keep(p *Publication) {
	t := &ch.tail
	if !ch.options.Recoverable() || ch.hub.tails.limit < 0 {
		t.start = p.Offset
		return
	}
	t.publications = append(t.publications, p)
	t.entries = append(t.entries, ch.hub.tails.add(ch, p))
	ch.trimTail()
}

// trimTail lets publications go that history does not keep either.
func (ch *channel) trimTail() {
	t := &ch.tail
	n := max(0, len(t.publications)-ch.options.History)
	oldest := time.Now().Add(-ch.options.HistoryTime)
	for n < len(t.publications) && t.publications[n].Time.Before(oldest) {
		n++
	}
	ch.dropTail(n)
}

// dropTail takes the first n publications out.
func (ch *channel) dropTail(n int) {
	if n == 0 {
		return
	}
	t := &ch.tail
	t.start = t.publications[n-1].Offset
	ch.hub.tails.remove(t.entries[:n])
	clear(t.publications[:n])
	clear(t.entries[:n])
	t.publications, t.entries = t.publications[n:], t.entries[n:]
	if len(t.publications) == 0 {
		t.publications, t.entries = nil, nil
	}
}

// extend puts what was read from history in front of the tail, where they join.
func (ch *channel) extend(older *run, epoch string) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	t := &ch.tail
	n, ok := older.after(t.start)
	if !ok || ch.state == closed || ch.last.Epoch != epoch || !ch.options.Recoverable() || ch.hub.tails.limit < 0 {
		return
	}
	room := max(0, ch.options.History-len(t.publications))
	from := max(0, n-room)
	if n == 0 || from == n {
		return
	}
	ps := older.publications[from:n]
	entries := make([]*entry, 0, len(ps)+len(t.entries))
	for _, p := range ps {
		entries = append(entries, ch.hub.tails.add(ch, p))
	}
	t.start = ps[0].Prev
	t.bottom = older.bottom && from == 0
	t.publications = slices.Concat(ps, t.publications)
	t.entries = append(entries, t.entries...)
}

// evict takes e and what is older out of the tail, unless it is gone already.
func (ch *channel) evict(e *entry) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if n, ok := ch.tail.after(e.offset); ok && n > 0 && ch.tail.entries[n-1] == e {
		ch.dropTail(n)
		ch.tail.bottom = false
	}
}

// shrink takes the oldest entries out until the bound is kept. It is called
// without locks.
func (ts *tails) shrink() {
	for {
		e := ts.excess()
		if e == nil {
			return
		}
		e.channel.evict(e)
	}
}

// excess returns the oldest entry when there is too much.
func (ts *tails) excess() *entry {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if ts.bytes <= ts.limit || ts.limit < 0 {
		return nil
	}
	return ts.ring.newer
}

func (ts *tails) add(ch *channel, p *Publication) *entry {
	e := &entry{channel: ch, offset: p.Offset, size: int64(weight(p))}
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if ts.ring.newer == nil {
		ts.ring.newer, ts.ring.older = &ts.ring, &ts.ring
	}
	e.older, e.newer = ts.ring.older, &ts.ring
	e.older.newer, e.newer.older = e, e
	ts.bytes += e.size
	return e
}

func (ts *tails) remove(entries []*entry) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	for _, e := range entries {
		e.older.newer, e.newer.older = e.newer, e.older
		ts.bytes -= e.size
	}
}

func (ts *tails) size() int64 {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	return ts.bytes
}
