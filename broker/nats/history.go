package nats

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/seed-15847954/ropewalk/hub"
)

// maxPage bounds the publications of one page.
const maxPage = 10_000

// maxBatch is how many entries are asked for at once.
const maxBatch = 1000

// History returns a part of a channel's log.
func (b *Broker) History(ctx context.Context, channel string, q hub.Query) (hub.Page, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	live, leave, err := b.gate.pass(ctx)
	if err != nil {
		return hub.Page{}, fmt.Errorf("nats: %w", err)
	}
	defer leave()
	page, err := b.history(live, channel, q)
	if err != nil {
		return hub.Page{}, fmt.Errorf("nats: history of %q: %w", channel, err)
	}
	return page, nil
}

func (b *Broker) history(ctx context.Context, channel string, q hub.Query) (hub.Page, error) {
	now, token := b.stream.now.Load(), tokenOf(channel)
	top, err := b.placeEntry(ctx, b.calls, now, token)
	if err != nil {
		return hub.Page{}, err
	}
	b.stream.see(now.epoch, top.seq)
	page := hub.Page{Top: top.position()}
	if q.From != nil && q.From.Epoch != now.epoch {
		return page, nil
	}
	l := &logReader{b: b, ctx: ctx, channel: channel, subject: b.names.log(now.epoch, token), top: top, now: time.Now()}
	limit := min(max(q.Limit, 1), maxPage)
	if q.Reverse {
		upTo := top.seq
		if q.From != nil {
			upTo = min(upTo, q.From.Offset)
		}
		page.Publications, page.More, err = l.backward(upTo, limit)
		return page, err
	}
	var from uint64
	if q.From != nil {
		from = q.From.Offset
	}
	page.Publications, page.More, err = l.forward(from, limit)
	return page, err
}

// A logReader reads one channel's log, as it was when top was its last entry.
type logReader struct {
	b                *Broker
	ctx              context.Context
	channel, subject string
	top              *entry
	now              time.Time

	prev uint64 // the last entry that a publication may have as its Prev; 0: not known
}

// keep returns how many of the last entries can be seen: as many as the last publication says.
func (l *logReader) keep() uint64 {
	if l.top.body != nil {
		return uint64(l.top.keep) //nolint:gosec // it was parsed as one without a sign
	}
	return uint64(max(l.b.stream.keep.Load()-1, 0)) //nolint:gosec // it is not negative
}

// visible reports whether the channel still keeps a publication.
func (l *logReader) visible(e *entry) bool {
	age := e.age
	if l.top.body != nil {
		age = min(age, l.top.age) // what was forgotten does not come back
	}
	return e.remaining < l.keep() && l.now.Sub(e.time) < age
}

// each calls f for the entries from a sequence up to another one, in their order, until it returns false.
func (l *logReader) each(seq, upTo uint64, limit int, f func(e *entry) bool) error {
	for tries := 0; seq <= upTo; {
		got, err := l.b.read(l.ctx, reading{Next: l.subject, Seq: seq, Batch: min(limit+2, maxBatch)})
		if err != nil {
			return err
		}
		if l.behind(got.entries) && tries < maxTries {
			tries++
			if !pause(l.ctx, 10*time.Millisecond) {
				return fmt.Errorf("%w: %w", errLagging, context.Cause(l.ctx))
			}
			continue
		}
		if len(got.entries) == 0 { // what there was has been trimmed meanwhile
			return nil
		}
		for i := range got.entries {
			if e := &got.entries[i]; e.seq > upTo || !f(e) {
				return nil
			}
			seq = got.entries[i].seq + 1
		}
	}
	return nil
}

// maxTries bounds how often a copy of the stream is asked that seems to be behind: the last entry may be
// gone as well.
const maxTries = 20

// behind reports whether the copy that was asked ends before the last entry. What it says of how many
// follow is not true then.
func (l *logReader) behind(got []entry) bool {
	if len(got) == 0 {
		return true
	}
	last := &got[len(got)-1]
	return last.remaining == 0 && last.seq < l.top.seq
}

// follow returns the publication that e is, or nil, and goes on behind it.
func (l *logReader) follow(e *entry) *hub.Publication {
	p, err := e.publication(l.channel, l.prev)
	switch {
	case err != nil && !e.begin: // a stranger's, which has no place in the log
		return nil
	case err != nil || !l.visible(e):
		l.prev = e.seq
		return nil
	}
	l.prev = e.seq
	return p
}

// forward reads what lies behind from.
func (l *logReader) forward(from uint64, limit int) (ps []*hub.Publication, more bool, err error) {
	if from >= l.top.seq {
		return nil, false, nil
	}
	first := max(from, 1) // the entry there is the Prev of the one behind it
	count, err := l.count(first)
	if err != nil {
		return nil, false, err
	}
	if count > l.keep()+maxBatch { // much that cannot be seen any more
		if first, err = l.search(l.top.seq, l.keep()+1); err != nil {
			return nil, false, err
		}
	}
	err = l.each(first, l.top.seq, limit, func(e *entry) bool {
		if e.seq <= from {
			l.prev = e.seq
			return true
		}
		p := l.follow(e)
		if more = p != nil && len(ps) == limit; more {
			return false
		}
		if p != nil {
			ps = append(ps, p)
		}
		return true
	})
	return ps, more, err
}

// backward reads what lies up to a sequence, the newest first.
func (l *logReader) backward(upTo uint64, limit int) (ps []*hub.Publication, more bool, err error) {
	first, err := l.search(upTo, uint64(limit)+2) //nolint:gosec // at least 1
	if err != nil {
		return nil, false, err
	}
	err = l.each(first, upTo, maxBatch, func(e *entry) bool {
		if p := l.follow(e); p != nil {
			ps = append(ps, p)
		}
		return true
	})
	slices.Reverse(ps)
	if more = len(ps) > limit; more {
		ps = ps[:limit]
	}
	return ps, more, err
}

// count returns how many entries of the channel there are from a sequence on.
func (l *logReader) count(seq uint64) (uint64, error) {
	got, err := l.b.read(l.ctx, reading{Next: l.subject, Seq: max(seq, 1), Batch: 1})
	if err != nil || len(got.entries) == 0 {
		return 0, err
	}
	return got.entries[0].remaining + 1, nil
}

// search returns a sequence such that at least n entries of the channel lie from there up to another
// one, or all that there are, and not many more. It asks for counts, in steps that grow and then halve.
func (l *logReader) search(upTo, n uint64) (uint64, error) {
	var above uint64
	if upTo < l.top.seq {
		var err error
		if above, err = l.count(upTo + 1); err != nil {
			return 0, err
		}
	}
	enough := func(c uint64) bool { return c >= above+n }
	few := func(c uint64) bool { return c <= above+4*n+64 }
	high, low := upTo+1, uint64(1)
	for width := n; width < high; width *= 8 {
		c, err := l.count(upTo + 1 - width)
		if err != nil {
			return 0, err
		}
		if enough(c) {
			low = upTo + 1 - width
			if few(c) {
				return low, nil
			}
			break
		}
		high = upTo + 1 - width
	}
	for high > low+1 {
		middle := low + (high-low)/2
		c, err := l.count(middle)
		if err != nil {
			return 0, err
		}
		switch {
		case !enough(c):
			high = middle
		case few(c):
			return middle, nil
		default:
			low = middle
		}
	}
	return low, nil
}
