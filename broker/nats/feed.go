package nats

import (
	"slices"
	"sync"

	"github.com/nats-io/nats.go"

	"github.com/seed-15847954/ropewalk/hub"
)

// A feed is a subscription to one channel.
type feed struct {
	channel, token string
	sub            *nats.Subscription

	mu      sync.Mutex
	sink    hub.Sink           // nil: ended
	last    hub.Position       // of the last publication that was handed over, or where it began
	past    []string           // the epochs before
	heard   uint64             // the last entry that was heard of, whatever it was
	strange entry              // the last one that was no publication: it has no place in the log
	catches bool               // until what was missed is known
	waiting []*hub.Publication // come meanwhile
}

// begin says where the feed's subscriber begins.
func (f *feed) begin(pos hub.Position) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.last.Epoch != pos.Epoch || f.last.Offset < pos.Offset {
		f.goTo(pos)
	}
}

// goTo has the feed be at pos. An epoch that it was in does not come back: of it there may still be something
// on the way. mu is held.
func (f *feed) goTo(pos hub.Position) {
	if slices.Contains(f.past, pos.Epoch) {
		return
	}
	if f.last.Epoch != pos.Epoch {
		if f.last.Epoch != "" {
			f.past = append(f.past, f.last.Epoch)
		}
		f.heard = 0
	}
	f.last, f.heard = pos, max(f.heard, pos.Offset)
}

// deliver hands an entry over if it is a publication. It reports whether it is a stranger's, and whether
// what was in front of it did not come: then it waits.
func (f *feed) deliver(e *entry) (strange, gap bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if e.epoch == f.last.Epoch {
		f.heard = max(f.heard, e.seq)
	}
	prev := e.prev
	if f.strange.epoch == e.epoch && f.strange.seq == prev && prev != 0 {
		prev = f.strange.prev
	}
	p, err := e.publication(f.channel, prev)
	if err != nil {
		e.prev = prev
		if !e.begin {
			f.strange = *e
		}
		return !e.begin, false
	}
	gap = !f.catches && p.Epoch == f.last.Epoch && p.Prev > f.last.Offset
	if f.catches = f.catches || gap; f.catches {
		f.waiting = append(f.waiting, p)
		return false, gap
	}
	f.pass(p)
	return false, false
}

// pass hands p over unless that was done. mu is held.
func (f *feed) pass(p *hub.Publication) {
	if f.sink == nil || p.Epoch == f.last.Epoch && p.Offset <= f.last.Offset || slices.Contains(f.past, p.Epoch) {
		return
	}
	f.goTo(p.Position)
	f.sink.Deliver(p)
}

// hold keeps what comes until release. It returns where the feed is; false means that nobody has begun.
func (f *feed) hold() (hub.Position, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.catches, f.waiting = true, nil
	return f.last, f.last.Epoch != "" && f.sink != nil
}

// release hands over what was missed, and what came meanwhile.
func (f *feed) release(missed []*hub.Publication, heard hub.Position) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range missed {
		f.pass(p)
	}
	for _, p := range f.waiting {
		f.pass(p)
	}
	if heard.Epoch == f.last.Epoch {
		f.heard = max(f.heard, heard.Offset)
	}
	f.catches, f.waiting = false, nil
}

// elsewhere reports whether the feed is in another epoch.
func (f *feed) elsewhere(epoch string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last.Epoch != "" && f.last.Epoch != epoch
}

// move has the feed go on behind pos, if that is of another epoch.
func (f *feed) move(pos hub.Position) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.sink == nil || f.last.Epoch == pos.Epoch || slices.Contains(f.past, pos.Epoch) {
		return
	}
	f.goTo(pos)
	f.sink.Moved(pos)
	for _, p := range f.waiting {
		f.pass(p)
	}
	f.catches, f.waiting = false, nil
}

// behind reports whether there is an entry that the feed has not heard of, or may have missed.
func (f *feed) behind(e *entry) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last.Epoch != "" && (f.catches || f.last.Epoch != e.epoch || f.heard < e.seq)
}
