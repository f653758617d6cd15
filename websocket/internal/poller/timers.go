//go:build linux

package poller

// timers is a heap of entries, the one with the earliest deadline first. An entry
// knows its place, so that its deadline can be changed.
type timers []*Entry

// next returns the earliest deadline, 0 if there is none.
func (h timers) next() int64 {
	if len(h) == 0 {
		return 0
	}
	return h[0].deadline
}

// set gives e a deadline; 0 takes it out.
func (h *timers) set(e *Entry, deadline int64) {
	e.deadline = deadline
	switch {
	case deadline == 0:
		h.remove(e)
	case e.place == 0:
		*h = append(*h, e)
		e.place = int32(len(*h))
		h.up(e)
	default:
		h.up(e)
		h.down(e)
	}
}

func (h *timers) remove(e *Entry) {
	if e.place == 0 {
		return
	}
	old := *h
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	if last != e {
		h.move(last, int(e.place))
		h.up(last)
		h.down(last)
	}
	e.place = 0
	if len(*h) == 0 {
		*h = nil
	}
}

func (h timers) move(e *Entry, place int) {
	h[place-1] = e
	e.place = int32(place)
}

func (h timers) up(e *Entry) {
	for e.place > 1 {
		place := int(e.place)
		parent := h[place/2-1]
		if parent.deadline <= e.deadline {
			return
		}
		h.move(e, place/2)
		h.move(parent, place)
	}
}

func (h timers) down(e *Entry) {
	for {
		place := int(e.place)
		child := 2 * place
		if child > len(h) {
			return
		}
		if child < len(h) && h[child].deadline < h[child-1].deadline {
			child++
		}
		below := h[child-1]
		if e.deadline <= below.deadline {
			return
		}
		h.move(e, child)
		h.move(below, place)
	}
}
