package hub

import (
	"slices"
	"sort"
)

// A run is a piece of a log without a hole.
type run struct {
	start        uint64 // the offset before the first publication
	publications []*Publication

	// bottom says that nothing before start is kept.
	bottom bool
}

func (r *run) end() uint64 {
	if n := len(r.publications); n > 0 {
		return r.publications[n-1].Offset
	}
	return r.start
}

// after returns how many publications are up to offset; false means that the
// offset is not in the run.
func (r *run) after(offset uint64) (int, bool) {
	if offset == r.start {
		return 0, true
	}
	ps := r.publications
	i := sort.Search(len(ps), func(i int) bool { return ps[i].Offset >= offset })
	return i + 1, i < len(ps) && ps[i].Offset == offset
}

// behind returns the publications behind from up to upTo, at most limit of them;
// false means that they are not, or not all, in the run.
func (r *run) behind(from, upTo uint64, limit int) ([]*Publication, bool) {
	i, ok := r.after(from)
	if !ok {
		return nil, false
	}
	ps := r.publications[i:]
	n := sort.Search(len(ps), func(i int) bool { return ps[i].Offset > upTo })
	if n == 0 {
		return nil, false
	}
	return ps[:min(n, limit)], true
}

// latest returns the last n publications up to upTo, or fewer where no more are kept;
// false means that they are not all in the run.
func (r *run) latest(n int, upTo uint64) ([]*Publication, bool) {
	end, ok := r.after(upTo)
	if !ok || end < n && !r.bottom {
		return nil, false
	}
	return r.publications[max(0, end-n):end], true
}

// newRun returns the longest run that a page of history begins with.
func newRun(page []*Publication, bottom bool) run {
	if len(page) == 0 {
		return run{}
	}
	r := run{start: page[0].Prev, bottom: bottom}
	n := 1
	for n < len(page) && page[n].Prev == page[n-1].Offset {
		n++
	}
	r.publications = page[:n]
	return r
}

// newRunBackwards returns the longest run that ends at end, of a page that has the newest
// first. bottom says that the log does not go on behind the page; a hole is as good.
func newRunBackwards(page []*Publication, end uint64, bottom bool) run {
	r := run{start: end}
	n := 0
	for n < len(page) && page[n].Offset == r.start {
		r.start = page[n].Prev
		n++
	}
	r.publications = slices.Clone(page[:n])
	slices.Reverse(r.publications)
	r.bottom = bottom || n < len(page)
	return r
}
