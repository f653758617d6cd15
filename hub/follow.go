package hub

// A state is how a channel stands to its log.
//
//	closed ── begin ──▶ following ── gap ──▶ repairing
//	   ▲                 │  ▲                    │
//	   └──── forget ─────┘  └─ caught up, lost ──┘
//
// In following, publications are handed on as they come. In repairing they
// are held, in their order, while what is missing is read from history.
type state uint8

const (
	closed state = iota
	following
	repairing
)

// A verdict is what the next publication of the broker is, to a channel.
type verdict uint8

const (
	early    verdict = iota // the channel is closed: nobody has joined
	known                   // it is at or before the last one
	next                    // it continues the log
	gap                     // something between the last one and it is missing
	stranger                // it is of another life of the log
)

// A follower checks the continuity of one log. It is guarded by its channel's lock.
type follower struct {
	state state
	last  Position // of the last publication that was handed on; meaningless while closed
}

// judge says what p is and changes nothing.
func (f *follower) judge(p *Publication) verdict {
	switch {
	case f.state == closed:
		return early
	case p.Epoch != f.last.Epoch:
		return stranger
	case p.Offset <= f.last.Offset:
		return known
	case p.Prev == f.last.Offset:
		return next
	}
	return gap
}

// begin makes a closed follower follow from pos on, or from a later publication that came first. It reports
// false, and does nothing, if one came of another life of the log.
func (f *follower) begin(pos Position) bool {
	switch {
	case f.last.Epoch == "" || f.last.Epoch == pos.Epoch && f.last.Offset < pos.Offset:
		f.last = pos
	case f.last.Epoch != pos.Epoch:
		return false
	}
	f.state = following
	return true
}
