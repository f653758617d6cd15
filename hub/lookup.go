package hub

import (
	"context"
	"sync"
)

// A queryKey is what makes two readings of history the same.
type queryKey struct {
	channel string
	from    Position
	limit   int
	reverse bool
}

func newQueryKey(channel string, q Query) queryKey {
	key := queryKey{channel: channel, limit: q.Limit, reverse: q.Reverse}
	if q.From != nil {
		key.from = *q.From // whose epoch is never empty
	}
	return key
}

// lookups are the readings of history that are under way.
type lookups struct {
	mu   sync.Mutex
	keys map[queryKey]*lookup
}

// A lookup is one reading at a time of the same thing. Who comes while one is under
// way waits for the next, since what it reads may be older than the question.
type lookup struct {
	turn gate

	// Guarded by lookups.mu.
	users int
	next  *answer // that those who wait will share; nil when nobody does
}

// An answer is what one reading found.
type answer struct {
	done chan struct{} // closed behind the fields below
	page Page
	err  error

	// void says that the one who read gave up: the others ask again.
	void bool
}

// share returns what read gives, which is begun after share was called, with the
// context of whoever calls it.
func (ls *lookups) share(ctx context.Context, key queryKey, read func() (Page, error)) (Page, error) {
	l := ls.hold(key)
	defer ls.release(key, l)
	for {
		a := ls.board(l)
		select {
		case l.turn <- struct{}{}:
			mine := ls.depart(l, a)
			if mine {
				a.page, a.err = read()
				a.void = a.err != nil && ctx.Err() != nil
				close(a.done)
			}
			l.turn.unlock()
			if mine {
				return a.page, a.err
			}
			// Who had the turn before has read for a.
		case <-a.done:
		case <-ctx.Done():
			return Page{}, context.Cause(ctx)
		}
		if !a.void {
			return a.page, a.err
		}
	}
}

// board returns the answer that the next reading will fill.
func (ls *lookups) board(l *lookup) *answer {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if l.next == nil {
		l.next = &answer{done: make(chan struct{})}
	}
	return l.next
}

// depart lets nobody else wait for a, and reports whether it is still to be filled.
func (ls *lookups) depart(l *lookup, a *answer) bool {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if l.next != a {
		return false
	}
	l.next = nil
	return true
}

func (ls *lookups) hold(key queryKey) *lookup {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l := ls.keys[key]
	if l == nil {
		l = &lookup{turn: newGate()}
		if ls.keys == nil {
			ls.keys = make(map[queryKey]*lookup)
		}
		ls.keys[key] = l
	}
	l.users++
	return l
}

func (ls *lookups) release(key queryKey, l *lookup) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l.users--
	if l.users == 0 {
		delete(ls.keys, key)
	}
}
