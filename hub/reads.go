package hub

import (
	"context"
	"slices"
	"sync"
	"time"
)

const (
	// readEvery is how long no part of a channel's history is read a second time.
	readEvery = 100 * time.Millisecond

	// A read asks for at least minRead publications, for the others who will ask,
	// and for at most maxRead.
	minRead = 256
	maxRead = 1000
)

// A request asks for a part of a channel's log.
type request struct {
	latest bool // the last ones up to upTo; otherwise those behind from
	from   Position
	upTo   Position
	limit  int

	recalled bool // the tail has answered

	done chan struct{} // closed when answered
	ps   []*Publication
	err  error
}

// answer returns what is asked for, if r has it.
func (q *request) answer(r *run) ([]*Publication, bool) {
	if q.latest {
		return r.latest(q.limit, q.upTo.Offset)
	}
	return r.behind(q.from.Offset, q.upTo.Offset, q.limit)
}

func (q *request) settle(ps []*Publication, err error) {
	q.ps, q.err = ps, err
	close(q.done)
}

// reads are those of one channel's history. Whoever has the turn reads for all who
// wait, so that a herd costs no more reads than one client. It is nobody's
// goroutine: when the one with the turn gives up, the next takes it.
type reads struct {
	turn gate

	// Guarded by turn.
	began time.Time // when the last read began
	end   uint64    // up to where it went

	mu      sync.Mutex
	waiting map[*request]struct{}

	// trimmed is a position behind which something is not kept any more.
	trimmed Position
}

// ask answers q from the tail or from history. It blocks while history is read.
func (ch *channel) ask(ctx context.Context, historian Historian, q *request) ([]*Publication, error) {
	if ps, ok := ch.recall(q); ok {
		ch.hub.counts.recalled.Add(1)
		q.recalled = true
		return ps, nil
	}
	q.done = make(chan struct{})
	rs := ch.startReading()
	if !rs.join(q) {
		return nil, ErrTrimmed
	}
	defer rs.leave(q)
	select {
	case rs.turn <- struct{}{}:
		defer rs.turn.unlock()
		return ch.read(ctx, historian, rs, q)
	case <-q.done:
		return q.ps, q.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (ch *channel) startReading() *reads {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if ch.reads == nil {
		ch.reads = &reads{turn: newGate(), waiting: make(map[*request]struct{})}
	}
	return ch.reads
}

// join adds q to those who wait, unless it is known that history does not reach
// back so far.
func (rs *reads) join(q *request) bool {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if !q.latest && q.from.Epoch == rs.trimmed.Epoch && q.from.Offset < rs.trimmed.Offset {
		return false
	}
	rs.waiting[q] = struct{}{}
	return true
}

func (rs *reads) leave(q *request) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	delete(rs.waiting, q)
}

// read reads until q is answered, which takes two reads at most. The caller has
// the turn.
func (ch *channel) read(ctx context.Context, historian Historian, rs *reads, q *request) ([]*Publication, error) {
	first := rs.oldest(q)
	// Should the read for the one who needs the oldest not reach q, the next is for
	// q: those who ask for what is old cannot keep the others waiting.
	for ; ; first = q {
		select {
		case <-q.done:
			return q.ps, q.err
		default:
		}
		// The turn before may have filled the tail.
		if ps, ok := ch.recall(q); ok {
			ch.hub.counts.recalled.Add(1)
			q.recalled = true
			return ps, nil
		}
		if !ch.hub.near {
			if err := rs.pace(ctx, first); err != nil {
				return nil, err
			}
		}
		ch.hub.counts.reads.Add(1)
		query := rs.query(first)
		page, err := historian.History(ctx, ch.name, query)
		switch {
		case err != nil && ctx.Err() != nil:
			return nil, err // the others' contexts go on
		case err != nil:
			rs.each(func(w *request) { w.settle(nil, err) })
		case q.latest:
			ch.settleLatest(rs, query, page)
		default:
			ch.settleBehind(rs, query, page)
		}
	}
}

// pace waits until the part of the log that q asks for may be read again.
func (rs *reads) pace(ctx context.Context, q *request) error {
	wait := readEvery - time.Since(rs.began)
	if wait > 0 && (q.latest || q.from.Offset < rs.end) {
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	rs.began = time.Now()
	return nil
}

// oldest returns, of those who ask for the same kind and epoch as q, the one that
// needs the oldest publications; for the latest ones the newest.
func (rs *reads) oldest(q *request) *request {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	for w := range rs.waiting {
		if w.latest != q.latest || w.upTo.Epoch != q.upTo.Epoch {
			continue
		}
		if q.latest && w.upTo.Offset > q.upTo.Offset || !q.latest && w.from.Offset < q.from.Offset {
			q = w
		}
	}
	return q
}

// query asks for what q needs and those who wait with it, as far as one read goes.
func (rs *reads) query(q *request) Query {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	limit := minRead
	for w := range rs.waiting {
		if w.latest == q.latest {
			limit = max(limit, w.limit)
		}
	}
	if q.latest {
		return Query{From: &q.upTo, Limit: min(limit, maxRead), Reverse: true}
	}
	return Query{From: &q.from, Limit: min(limit, maxRead)}
}

// each calls f for everyone who waits. Those whom f settles wait no more.
func (rs *reads) each(f func(w *request)) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	for w := range rs.waiting {
		f(w)
		select {
		case <-w.done:
			delete(rs.waiting, w)
		default:
		}
	}
}

// settleBehind answers those who ask for what lies behind a position.
func (ch *channel) settleBehind(rs *reads, query Query, page Page) {
	from := *query.From
	if page.Top.Epoch != from.Epoch {
		rs.strangers(page.Top.Epoch)
		return
	}
	r := newRun(page.Publications, false)
	if len(r.publications) == 0 {
		r.start = max(from.Offset, page.Top.Offset)
	}
	if r.start > from.Offset {
		r.bottom = true
		rs.trim(Position{from.Epoch, r.start})
	}
	rs.end = r.end()
	ch.extend(&r, from.Epoch)
	rs.each(func(w *request) {
		if w.latest || w.upTo.Epoch != from.Epoch {
			return
		}
		ps, ok := w.answer(&r)
		switch {
		case w.from.Offset > w.upTo.Offset && w.from.Offset <= page.Top.Offset:
			w.settle(nil, nil) // another node has told it
		case w.from == from && from.Offset > page.Top.Offset:
			w.settle(nil, ErrEpoch) // no log of this epoch was ever so long
		case ok:
			w.settle(slices.Clone(ps), nil)
		case w.from == from, w.from.Offset < r.start && r.bottom, w.from.Offset > r.start && w.from.Offset < r.end():
			w.settle(nil, ErrTrimmed) // not kept, or no position of this log
		}
	})
	ch.hub.tails.shrink()
}

// settleLatest answers those who ask for the last publications up to a position.
func (ch *channel) settleLatest(rs *reads, query Query, page Page) {
	upTo := *query.From
	if page.Top.Epoch != upTo.Epoch {
		rs.strangers(page.Top.Epoch)
		return
	}
	r := newRunBackwards(page.Publications, upTo.Offset, !page.More)
	rs.end = upTo.Offset
	ch.extend(&r, upTo.Epoch)
	rs.each(func(w *request) {
		if !w.latest || w.upTo.Epoch != upTo.Epoch {
			return
		}
		ps, ok := w.answer(&r)
		if ok || w.upTo == upTo {
			w.settle(slices.Clone(ps), nil)
		}
	})
	ch.hub.tails.shrink()
}

// strangers answers those whose position is not of the log's epoch.
func (rs *reads) strangers(epoch string) {
	rs.each(func(w *request) {
		if w.upTo.Epoch != epoch {
			w.settle(nil, ErrEpoch)
		}
	})
}

func (rs *reads) trim(pos Position) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	rs.trimmed = pos
}
