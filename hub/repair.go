package hub

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	// repairTime bounds the reading of history for one repair.
	repairTime = 10 * time.Second

	// maxHeld and maxHeldBytes bound what is held meanwhile.
	maxHeld      = 4096
	maxHeldBytes = 4 << 20

	// repairPage is how many publications are asked for at once.
	repairPage = 1000
)

// errHeld means that more came than is held while history was read.
var errHeld = errors.New("too much came while history was read")

// A repair is the goroutine that fills a gap, and what is held until it has.
// Whoever closes the channel waits for its end.
type repair struct {
	cancel context.CancelFunc
	done   chan struct{} // closed at its end

	// Owned by its goroutine: up to where held publications were dropped.
	lost Position

	// Guarded by the channel's lock.
	held     []held
	bytes    int
	overflow bool     // held is dropped
	skipped  Position // the last one of what was held or dropped
}

// held is what the broker said during a repair: one of the three.
type held struct {
	publication *Publication
	moved       Position // with an epoch
	change      *PresenceChange
}

// hold keeps h for the repair that is under way and reports whether there is one.
func (ch *channel) hold(h held) bool {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if ch.state != repairing {
		return false
	}
	r := ch.repair
	if h.publication != nil {
		r.bytes += weight(h.publication)
		r.skipped = h.publication.Position
	}
	if h.moved.Epoch != "" {
		r.skipped = h.moved
	}
	if len(r.held) >= maxHeld || r.bytes > maxHeldBytes {
		r.overflow, r.held = true, nil
	}
	if !r.overflow {
		r.held = append(r.held, h)
	}
	return true
}

// mend begins the repair of the gap in front of p. Where nobody listens or nothing
// is kept there is nothing to repair.
func (ch *channel) mend(p *Publication) {
	ch.hub.counts.gaps.Add(1)
	historian, err := ch.hub.historian(ch.name)
	if err != nil {
		ch.lose(p.Position, fmt.Errorf("%w: %w", ErrGap, err))
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), repairTime)
	r := &repair{cancel: cancel, done: make(chan struct{}), held: []held{{publication: p}}, bytes: weight(p), skipped: p.Position}
	if !ch.startRepair(r) {
		cancel()
		ch.lose(p.Position, ErrGap)
		return
	}
	go ch.run(ctx, r, historian)
}

func (ch *channel) startRepair(r *repair) bool {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if ch.state != following || len(ch.list.subs) == 0 {
		return false
	}
	ch.state, ch.repair = repairing, r
	return true
}

// run takes what is held, and reads history wherever something is missing in
// front of it, until nothing is held.
func (ch *channel) run(ctx context.Context, r *repair, historian Historian) {
	defer close(r.done)
	defer r.cancel()
	for {
		h, err := ch.unhold(r)
		switch {
		case err != nil:
			ch.lose(r.lost, fmt.Errorf("%w: %w", ErrGap, err))
		case h.publication != nil:
			if err := ch.fill(ctx, r, h.publication, historian); err != nil {
				ch.lose(h.publication.Position, fmt.Errorf("%w: %w", ErrGap, err))
			}
		case h.moved.Epoch != "":
			ch.move(h.moved)
		case h.change != nil:
			ch.tell(h.change)
		default:
			return
		}
	}
}

// unhold returns what was held first. When there is nothing, the channel follows its log
// again. The error means that something was dropped, up to r.lost.
func (ch *channel) unhold(r *repair) (held, error) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if r.overflow {
		r.overflow, r.bytes, r.lost = false, 0, r.skipped
		return held{}, errHeld
	}
	if len(r.held) == 0 {
		ch.state, ch.repair = following, nil
		return held{}, nil
	}
	h := r.held[0]
	r.held[0] = held{}
	r.held = r.held[1:]
	if h.publication != nil {
		r.bytes -= weight(h.publication)
	}
	return h, nil
}

// heldUpTo returns up to where to read when p does not continue the log. What is
// held is read with what is missing: another gap in it costs no other read.
func (ch *channel) heldUpTo(r *repair, p *Publication) Position {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if r.skipped.Epoch == p.Epoch && r.skipped.Offset > p.Prev {
		return r.skipped
	}
	return Position{p.Epoch, p.Prev}
}

// fill takes p after everything that is missing in front of it.
func (ch *channel) fill(ctx context.Context, r *repair, p *Publication, historian Historian) error {
	broken := false
	for ch.take(p) == gap {
		if ch.last.Offset >= p.Prev {
			return ErrTrimmed // its Prev contradicts what was seen
		}
		broken = true
		missing := request{from: ch.last, upTo: ch.heldUpTo(r, p), limit: repairPage}
		ps, err := ch.ask(ctx, historian, &missing)
		if err != nil {
			return err
		}
		for _, m := range ps {
			if v := ch.take(m); v != next {
				return ErrTrimmed
			}
		}
	}
	if broken {
		ch.hub.counts.repaired.Add(1)
	}
	return nil
}
