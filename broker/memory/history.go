package memory

import (
	"slices"
	"sort"
	"time"

	"github.com/seed-15847954/ropewalk/hub"
)

const (
	// publicationBytes is what a publication takes beside what it holds, roughly, and
	// tagBytes what a tag does.
	publicationBytes = 512
	tagBytes         = 32

	// idBytes is what an ID that is remembered takes beside itself.
	idBytes = 120
)

// A history is what a log keeps, in the order of offsets.
type history struct {
	kept []*hub.Publication
	size int           // bytes
	time time.Duration // how long each is kept

	// until is when the oldest is too old. (To look at that itself for each publication
	// would be a miss of the processor's cache.)
	until time.Time
}

func (h *history) empty() bool { return len(h.kept) == 0 }

// weight is what p takes, in bytes and roughly: its data twice, for it is kept
// together with an encoding.
func weight(p *hub.Publication) int {
	n := publicationBytes + 2*len(p.Data) + len(p.Channel) + len(p.ID) + len(p.Key) + len(p.ContentType) + len(p.Client)
	for name, value := range p.Tags {
		n += tagBytes + len(name) + len(value)
	}
	return n
}

// add keeps p as the options say, and returns by how many bytes the history grew.
func (h *history) add(p *hub.Publication, o *hub.Options) (grown int) {
	before := h.size
	if !o.Recoverable() {
		h.drop(len(h.kept))
		return h.size - before
	}
	if h.kept = append(h.kept, p); len(h.kept) == 1 || h.time != o.HistoryTime {
		h.time = o.HistoryTime
		h.until = h.kept[0].Time.Add(h.time)
	}
	h.size += weight(p)
	h.drop(len(h.kept) - o.History)
	h.expire(p.Time)
	return h.size - before
}

// drop forgets the n oldest publications.
func (h *history) drop(n int) {
	if n <= 0 {
		return
	}
	for i, p := range h.kept[:n] {
		h.size -= weight(p)
		h.kept[i] = nil
	}
	if h.kept = h.kept[n:]; len(h.kept) == 0 {
		h.kept = nil
		return
	}
	h.until = h.kept[0].Time.Add(h.time)
}

// expire forgets what is too old, and returns how many bytes that were.
func (h *history) expire(now time.Time) int {
	if h.empty() || now.Before(h.until) {
		return 0
	}
	before := h.size
	h.drop(sort.Search(len(h.kept), func(i int) bool { return now.Sub(h.kept[i].Time) < h.time }))
	return before - h.size
}

// halve forgets the older half, and returns how many bytes that were: 0 when nothing
// is kept.
func (h *history) halve() int {
	before := h.size
	h.drop((len(h.kept) + 1) / 2)
	return before - h.size
}

// read returns the page that q asks for, in this epoch.
func (h *history) read(q hub.Query) (page []*hub.Publication, more bool) {
	limit := max(q.Limit, 1)
	// behind is the index of the first publication behind q.From.
	behind := 0
	if q.Reverse {
		behind = len(h.kept)
	}
	if q.From != nil {
		behind = sort.Search(len(h.kept), func(i int) bool { return h.kept[i].Offset > q.From.Offset })
	}
	if !q.Reverse {
		end := behind + min(limit, len(h.kept)-behind)
		return slices.Clone(h.kept[behind:end]), end < len(h.kept)
	}
	start := behind - min(limit, behind)
	page = slices.Clone(h.kept[start:behind])
	slices.Reverse(page)
	return page, start > 0
}

// ids remembers the IDs of messages.
type ids struct {
	known map[string]known
	order []string // those of known, oldest first
}

type known struct {
	offset uint64
	until  time.Time
}

func (l *ids) empty() bool { return len(l.known) == 0 }

// find returns the offset of the message of that ID.
func (l *ids) find(id string, now time.Time) (uint64, bool) {
	k, ok := l.known[id]
	return k.offset, ok && now.Before(k.until)
}

// add remembers an ID and forgets what is too old, and returns by how many bytes
// that grew.
func (l *ids) add(id string, offset uint64, now, until time.Time) int {
	freed := l.expire(now)
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

// expire forgets what is too old, and returns how many bytes that were. An ID that
// was used again in the meantime keeps those behind it a little longer.
func (l *ids) expire(now time.Time) int {
	n := 0
	for n < len(l.order) && !now.Before(l.known[l.order[n]].until) {
		n++
	}
	return l.drop(n)
}

// clear forgets everything, and returns how many bytes that were.
func (l *ids) clear() int { return l.drop(len(l.order)) }

func (l *ids) drop(n int) int {
	freed := 0
	for _, id := range l.order[:n] {
		delete(l.known, id)
		freed += idBytes + len(id)
	}
	l.order = l.order[n:]
	if len(l.order) == 0 {
		*l = ids{}
	}
	return freed
}
