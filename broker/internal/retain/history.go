// Package retain is what brokers keep of channels in the memory of the process: publications, IDs and
// the subscriptions to patterns.
package retain

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
)

// A History is what a channel keeps, in the order of offsets. The zero value is empty. Its methods are
// not called at once.
type History struct {
	kept []*hub.Publication
	size int           // bytes
	time time.Duration // how long each is kept

	// until is when the oldest is too old. (To look at that itself for each publication
	// would be a miss of the processor's cache.)
	until time.Time
}

// Empty reports whether nothing is kept.
func (h *History) Empty() bool { return len(h.kept) == 0 }

// weight is what p takes, in bytes and roughly: its data twice, for it is kept
// together with an encoding.
func weight(p *hub.Publication) int {
	n := publicationBytes + 2*len(p.Data) + len(p.Channel) + len(p.ID) + len(p.Key) + len(p.ContentType) + len(p.Client)
	for name, value := range p.Tags {
		n += tagBytes + len(name) + len(value)
	}
	return n
}

// Add keeps p as the options say, and returns by how many bytes the history grew.
func (h *History) Add(p *hub.Publication, o *hub.Options) (grown int) {
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
	h.Expire(p.Time)
	return h.size - before
}

// drop forgets the n oldest publications.
func (h *History) drop(n int) {
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

// Expire forgets what is too old, and returns how many bytes that were.
func (h *History) Expire(now time.Time) int {
	if h.Empty() || now.Before(h.until) {
		return 0
	}
	before := h.size
	h.drop(sort.Search(len(h.kept), func(i int) bool { return now.Sub(h.kept[i].Time) < h.time }))
	return before - h.size
}

// Halve forgets the older half, and returns how many bytes that were: 0 when nothing
// is kept.
func (h *History) Halve() int {
	before := h.size
	h.drop((len(h.kept) + 1) / 2)
	return before - h.size
}

// Clear forgets everything, and returns how many bytes that were.
func (h *History) Clear() int {
	before := h.size
	h.drop(len(h.kept))
	return before
}

// Read returns the page that q asks for, in this epoch.
func (h *History) Read(q hub.Query) (page []*hub.Publication, more bool) {
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
