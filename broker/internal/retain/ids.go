package retain

import "time"

// idBytes is what an ID that is remembered takes beside itself.
const idBytes = 120

// IDs remembers the IDs of messages. The zero value is empty. Its methods are not called at once.
type IDs struct {
	known map[string]known
	order []string // those of known, oldest first
}

type known struct {
	offset uint64
	until  time.Time
}

// Empty reports whether nothing is remembered.
func (l *IDs) Empty() bool { return len(l.known) == 0 }

// Find returns the offset of the message of that ID.
func (l *IDs) Find(id string, now time.Time) (uint64, bool) {
	k, ok := l.known[id]
	return k.offset, ok && now.Before(k.until)
}

// Add remembers an ID and forgets what is too old, and returns by how many bytes
// that grew.
func (l *IDs) Add(id string, offset uint64, now, until time.Time) int {
	freed := l.Expire(now)
	if l.known == nil {
		l.known = make(map[string]known)
	}
	if _, again := l.known[id]; again { // too old, behind one that is not
		l.known[id] = known{offset, until}
		return -freed
	}
	l.known[id] = known{offset, until}
	l.order = append(l.order, id)
	return idBytes + len(id) - freed
}

// Expire forgets what is too old, and returns how many bytes that were. An ID that
// was used again in the meantime keeps those behind it a little longer.
func (l *IDs) Expire(now time.Time) int {
	n := 0
	for n < len(l.order) && !now.Before(l.known[l.order[n]].until) {
		n++
	}
	return l.drop(n)
}

// Clear forgets everything, and returns how many bytes that were.
func (l *IDs) Clear() int { return l.drop(len(l.order)) }

func (l *IDs) drop(n int) int {
	freed := 0
	for _, id := range l.order[:n] {
		delete(l.known, id)
		freed += idBytes + len(id)
	}
	l.order = l.order[n:]
	if len(l.order) == 0 {
		*l = IDs{}
	}
	return freed
}
