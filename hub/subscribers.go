package hub

import "slices"

// fewSubscribers is up to how many are searched one by one, without an index.
// Most channels of most servers are about one user or device.
const fewSubscribers = 16

// subscribers is a list of receivers that can be walked without a lock. It is
// guarded by its owner's.
type subscribers struct {
	subs  []Subscriber
	index map[Subscriber]int // into subs; nil while there are few

	// lent says that a broadcast may be walking the array of subs. Appending to
	// it is harmless, for the walk ends at its own length; a removal copies first.
	lent bool
}

// lend returns the present subscribers, to be walked without the lock.
func (l *subscribers) lend() []Subscriber {
	l.lent = true
	return l.subs
}

// add appends s and reports whether it was not there.
func (l *subscribers) add(s Subscriber) bool {
	if l.find(s) >= 0 {
		return false
	}
	l.subs = append(l.subs, s)
	switch {
	case l.index != nil:
		l.index[s] = len(l.subs) - 1
	case len(l.subs) > fewSubscribers:
		l.index = make(map[Subscriber]int, 2*fewSubscribers)
		for i, s := range l.subs {
			l.index[s] = i
		}
	}
	return true
}

// remove takes s out and reports whether it was there.
func (l *subscribers) remove(s Subscriber) bool {
	i := l.find(s)
	if i < 0 {
		return false
	}
	if l.lent {
		l.subs = slices.Clone(l.subs)
		l.lent = false
	}
	end := len(l.subs) - 1
	l.subs[i] = l.subs[end]
	l.subs[end] = nil
	l.subs = l.subs[:end]
	if l.index != nil {
		delete(l.index, s)
		if i < end {
			l.index[l.subs[i]] = i
		}
	}
	return true
}

// clear takes all out and returns them.
func (l *subscribers) clear() []Subscriber {
	subs := l.subs
	*l = subscribers{}
	return subs
}

func (l *subscribers) find(s Subscriber) int {
	if l.index == nil {
		return slices.Index(l.subs, s)
	}
	if i, ok := l.index[s]; ok {
		return i
	}
	return -1
}
