package brokertest

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/seed-15847954/ropewalk/hub"
)

// An inbox is a sink that keeps what it is given.
type inbox struct {
	e    *env
	busy atomic.Bool // a call is under way

	mu      sync.Mutex
	closed  bool // no calls are due
	got     []*hub.Publication
	changes []*hub.PresenceChange
}

func (e *env) inbox() *inbox { return &inbox{e: e} }

func (in *inbox) Deliver(p *hub.Publication) {
	defer in.enter()()
	in.got = append(in.got, p)
}

// Moved fails the test: nothing of what the suite does ends the life of a log.
func (in *inbox) Moved(pos hub.Position) {
	in.e.Errorf("a log is said to go on at %v", pos)
}

func (in *inbox) Change(c *hub.PresenceChange) {
	defer in.enter()()
	in.changes = append(in.changes, c)
}

// enter checks that a sink is called by one at a time, and while it is in use.
func (in *inbox) enter() (leave func()) {
	if !in.busy.CompareAndSwap(false, true) {
		in.e.Errorf("a sink is called twice at once")
	}
	in.mu.Lock()
	if in.closed {
		in.e.Errorf("a sink is called after Unsubscribe has returned")
	}
	return func() {
		in.mu.Unlock()
		in.busy.Store(false)
	}
}

func (in *inbox) close() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.closed = true
}

// behind returns what came behind pos, each one once, and reports whatever does not
// continue the log there.
func (in *inbox) behind(pos hub.Position) []*hub.Publication {
	in.mu.Lock()
	defer in.mu.Unlock()
	var log []*hub.Publication
	for _, p := range in.got {
		switch {
		case p.Epoch != pos.Epoch:
			in.e.Fatalf("delivered epoch %q, want %q", p.Epoch, pos.Epoch)
		case p.Offset <= pos.Offset:
			if len(log) > 0 && !in.e.Replays {
				in.e.Fatalf("delivered offset %d behind %d", p.Offset, pos.Offset)
			}
			continue // from before the position that Subscribe gave
		case p.Prev != pos.Offset:
			in.e.Fatalf("delivered offset %d with prev %d, behind %d", p.Offset, p.Prev, pos.Offset)
		}
		pos = p.Position
		log = append(log, p)
	}
	return log
}

// await returns what came behind pos once that includes end.
func (in *inbox) await(pos, end hub.Position) []*hub.Publication {
	in.e.Helper()
	in.e.until("a publication to be delivered", func() bool { return in.has(end) })
	return in.behind(pos)
}

func (in *inbox) has(pos hub.Position) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return slices.ContainsFunc(in.got, func(p *hub.Publication) bool { return p.Position == pos })
}

// changed returns the joins (+) and leaves (-) so far.
func (in *inbox) changed() []string {
	in.mu.Lock()
	defer in.mu.Unlock()
	var all []string
	for _, c := range in.changes {
		sign := "+"
		if c.Left {
			sign = "-"
		}
		all = append(all, sign+c.Member.Client)
	}
	return all
}

// positions returns those of a log.
func positions(log []*hub.Publication) []hub.Position {
	all := make([]hub.Position, len(log))
	for i, p := range log {
		all[i] = p.Position
	}
	return all
}

// texts returns the data of a log.
func texts(log []*hub.Publication) []string {
	all := make([]string, len(log))
	for i, p := range log {
		all[i] = string(p.Data)
	}
	return all
}
