package partitioned

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/seed-15847954/ropewalk/hub"
)

// A decision is what became of an entry.
type decision struct {
	hub.Published
	err error
}

// A partition is the state that follows from the records of one partition of the log. It is its
// Reader.
type partition struct {
	// Constant.
	b *Broker
	n int

	mu       sync.Mutex
	run      string    // what the log calls this life; empty before the first
	epoch    string    // what all nodes call it; empty until the log says it
	before   string    // the epoch that is over, until the log says another one
	sure     bool      // the epoch is that of all nodes for certain
	renewed  time.Time // when the log said it last
	since    uint64    // from which place on all is known
	applied  uint64    // the place behind the last record
	now      time.Time
	channels map[string]*channel
	waiting  map[uint64]chan decision // the own entries, by their numbers
	down     error                    // why nothing is read
	changed  chan struct{}            // closed when one of these changes, for those who wait
	expired  time.Time                // when what is too old was looked for, by the log's clock
	garbage  bool                     // something is no record, and the log says so
	census   census

	ends ends
}

func newPartition(b *Broker, n int) *partition {
	return &partition{
		b: b, n: n, channels: make(map[string]*channel), waiting: make(map[uint64]chan decision),
		changed: make(chan struct{}), down: errBegins, census: census{peers: make(map[string]*peer)},
	}
}

// signal wakes those who wait. The lock is held.
func (p *partition) signal() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// Begin begins a life of the partition, or goes on with one of which something is missing. What
// comes in a new life counts only behind the record that names it.
func (p *partition) Begin(run string, first uint64, whole bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer p.signal()
	if run == p.run && first <= p.applied {
		return // records that are known come again
	}
	p.b.log.Info("a partition begins", "partition", p.n, "life", run, "first", first)
	if another := run != p.run; another {
		if p.epoch != "" {
			p.before = p.epoch
		}
		p.run, p.epoch, p.sure, p.applied = run, "", whole, first
		p.doubt()
		if p.down == nil {
			p.ask()
		}
	}
	p.applied, p.census.held = max(first, p.applied), nil
	p.reset(first)
}

// reset forgets all channels: what is known begins at a place. The lock is held.
func (p *partition) reset(place uint64) {
	p.since = place
	for number, w := range p.waiting {
		w <- decision{err: fmt.Errorf("%w: the log has a new life", hub.ErrIndeterminate)}
		delete(p.waiting, number)
	}
	// Those who listen go on with a channel of which nothing is known: their next publication does not
	// follow on what they have.
	before := p.channels
	p.channels = make(map[string]*channel)
	for name, c := range before {
		p.b.grow(-c.history.Clear())
		if c.sink != nil {
			p.channels[name] = &channel{name: name, top: place, sink: c.sink}
		}
	}
}

// live takes the name of a life.
func (p *partition) live(l life, place uint64) {
	goesOn := l.id == l.after
	switch {
	case l.id == p.epoch:
	case p.epoch == "" && l.id == p.before: // the one that is over
		return
	case p.epoch == "", l.after == p.epoch, goesOn && !p.sure:
		p.b.log.Info("a partition has a new life", "partition", p.n, "epoch", l.id, "after", l.after)
		p.epoch, p.before = l.id, ""
		p.reset(place)
		for _, c := range p.channels { // who listens, and is not told by what is there already
			c.sink.Moved(hub.Position{Epoch: p.epoch, Offset: place})
		}
		p.begins(place)
	default: // two nodes have named it, and the other one was first
		return
	}
	p.sure = p.sure || goesOn
	p.renewed = p.now
}

// Connected notes whether the partition is read.
func (p *partition) Connected(cause error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case cause != nil && (p.down == nil || p.down.Error() != cause.Error()):
		p.b.log.Warn("a partition is not read", "partition", p.n, "error", cause)
	case cause == nil && p.down != nil && !errors.Is(p.down, errBegins):
		p.b.log.Info("a partition is read again", "partition", p.n)
	}
	if cause != nil && p.down == nil {
		p.doubt()
	}
	if p.down = cause; cause == nil {
		p.ask()
	}
	p.signal()
}

// Record does what a record asks for, or holds it while it is in doubt whether the log is what it was.
func (p *partition) Record(r Record) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r.Offset < p.applied {
		return
	}
	if len(r.Value) > 0 && r.Value[0] == kindWord {
		if w, err := parseWord(r.Value); err == nil {
			p.hear(&w, &r)
		}
	}
	if !p.hold(r) {
		p.take(r)
		p.signal()
	}
}

// take takes the next record.
func (p *partition) take(r Record) {
	place := r.Offset + 1
	p.applied = place
	if r.Time.After(p.now) {
		p.now = r.Time
	}
	if err := p.do(r, place); err != nil {
		p.pass(r, err)
	}
	p.expire()
}

func (p *partition) do(r Record, place uint64) error {
	if len(r.Value) == 0 {
		return nil // it marks a place
	}
	switch r.Value[0] {
	case kindLife:
		l, err := parseLife(r.Value)
		if err == nil {
			p.live(l, place)
		}
		return err
	case kindWord:
		_, err := parseWord(r.Value) // it was heard
		return err
	}
	e, err := parse(r.Key, r.Value)
	if err == nil && p.epoch != "" {
		p.census.published()
		p.apply(&e, place)
	}
	return err
}

// pass passes over what is no record.
func (p *partition) pass(r Record, err error) {
	level := slog.LevelDebug
	if !p.garbage {
		p.garbage, level = true, slog.LevelWarn
	}
	p.b.log.Log(context.Background(), level, "a record is passed over", "partition", p.n, "offset", r.Offset, "error", err)
}

// apply takes a message, or not. Nothing but the log decides.
func (p *partition) apply(e *entry, place uint64) {
	at := hub.Position{Epoch: p.epoch, Offset: place}
	c := p.channel(e.Channel, place-1)
	if offset, ok := c.ids.Find(e.ID, p.now); ok && e.ID != "" && e.kept.Dedup > 0 {
		p.decide(e, decision{Published: hub.Published{Position: hub.Position{Epoch: p.epoch, Offset: offset}, Duplicate: true}})
		return
	}
	if e.expect != nil && !c.expected(*e.expect, at, p.now.Add(-p.b.config.StateTime)) {
		top := hub.Position{Epoch: p.epoch, Offset: c.top}
		p.decide(e, decision{hub.Published{Position: top}, fmt.Errorf("%w: it is offset %d of epoch %s", hub.ErrConflict, top.Offset, top.Epoch)})
		return
	}
	pub, grown := c.take(e, at, p.now)
	p.b.grow(grown)
	p.b.evict(p, c)
	if c.sink != nil {
		c.sink.Deliver(pub)
	}
	for _, sink := range p.b.patterns.Match(c.name, &c.matched) {
		sink.Deliver(pub)
	}
	pub.Forget()
	p.decide(e, decision{Published: hub.Published{Position: at}})
}

// channel returns what is known of a channel. Where that is nothing the channel's top is a place
// that it is first asked for at.
func (p *partition) channel(name string, place uint64) *channel {
	c := p.channels[name]
	if c == nil {
		c = &channel{name: name, top: place}
		p.channels[name] = c
	}
	return c
}

// decide tells who waits for an entry.
func (p *partition) decide(e *entry, d decision) {
	if e.node != p.b.node {
		return
	}
	if w := p.waiting[e.number]; w != nil {
		w <- d
		delete(p.waiting, e.number)
	}
}

// expireTime is how often what is too old is looked for, by the log's clock.
const expireTime = time.Minute

// expire forgets what is too old.
func (p *partition) expire() {
	if p.now.Sub(p.expired) < expireTime {
		return
	}
	p.expired = p.now
	for name, c := range p.channels {
		p.b.grow(-c.history.Expire(p.now))
		c.ids.Expire(p.now)
		if c.sink == nil && c.history.Empty() && c.ids.Empty() && p.now.Sub(c.last) > p.b.config.StateTime {
			delete(p.channels, name)
		}
	}
}
