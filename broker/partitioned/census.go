package partitioned

import (
	"context"
	"crypto/rand"
	"maps"
	"time"
)

// A log that comes back from an older copy of its disk looks whole to a node that was behind: it ends where that
// node has read to, or later. Only nodes that had read more can tell. So a node that is connected again asks the
// others through the log itself, and holds what it reads until they have answered: who answers has read the
// question, and so has compared this very log with what it knew. Who finds that something is lost gives the
// partition another life instead. Where somebody does not answer who may have read more, the asking node does that.

const (
	// wordTime is how often a node says that it is there in a partition in which something is published, and
	// idleWordTime where nothing is.
	wordTime     = 3 * time.Second
	idleWordTime = 4 * time.Minute

	// leaseTime is how long a node is counted on that says nothing although something was published,
	// and idleLeaseTime although it was not.
	leaseTime     = 10 * time.Second
	idleLeaseTime = 10 * time.Minute

	// askTime is when a question is put again, and patienceTime how long answers are waited for.
	askTime      = time.Second
	patienceTime = 5 * time.Second

	// maxPeers bounds the nodes that are remembered.
	maxPeers = 1000
)

// A peer is another node that may have told somebody what the log holds.
type peer struct {
	first, last uint64    // the places of its words
	said        time.Time // when the last one was, by the log
	heard       time.Time // and by this node
	due         time.Time // when something was published first that it has said nothing behind; zero: nothing
}

// gone reports whether it is counted on no more.
func (one *peer) gone(now time.Time) bool {
	return !one.due.IsZero() && now.Sub(one.due) > leaseTime || now.Sub(one.heard) > idleLeaseTime
}

// A census is what a partition knows of the other nodes. The partition's lock guards it.
type census struct {
	open    bool              // nothing is in doubt
	told    bool              // that was so before: somebody may know what was read
	holds   bool              // what is read is held
	held    []Record          // that is
	peers   map[string]*peer  // by name
	asks    uint64            // the number of the question; 0: none
	put     time.Time         // when it was put last
	asked   uint64            // its place; 0: it was not read yet
	since   time.Time         // when that was read
	answers map[string]uint64 // to it, by node: from where on that is steady
	steady  uint64            // where the last question was, if that is settled
	say     []word            // what is to be said
	spoken  time.Time         // when something was said last
	owes    bool              // something was published since
}

// published notes that something was.
func (c *census) published() {
	if c.owes {
		return // nobody has said anything since
	}
	c.owes = true
	for _, one := range c.peers {
		if one.due.IsZero() {
			one.due = time.Now()
		}
	}
}

// doubt is called when the log may not be what it was. The lock is held.
func (p *partition) doubt() {
	c := &p.census
	if now := time.Now(); c.open {
		maps.DeleteFunc(c.peers, func(_ string, one *peer) bool { return one.gone(now) })
	}
	c.open, c.asks, c.asked, c.steady = false, 0, 0, 0
	c.holds = c.told && p.epoch != ""
}

// ask has the question put, unless that was done. The lock is held.
func (p *partition) ask() {
	if c := &p.census; !c.open && c.asks == 0 {
		c.asks, c.put, c.answers = p.b.numbers.Add(1), time.Time{}, make(map[string]uint64)
	}
}

// hear takes a word. The lock is held.
func (p *partition) hear(w *word, r *Record) {
	c, place := &p.census, r.Offset+1
	if w.node == p.b.node {
		if w.asks != 0 && w.asks == c.asks && c.asked == 0 {
			p.hearOwn(place, r.Time)
		}
		return
	}
	p.meet(w, place, r.Time)
	attached := p.down == nil && p.epoch != "" && (c.open || c.asked != 0)
	if w.asks != 0 && attached {
		c.say = append(c.say, word{to: w.node, about: w.asks})
	}
	answers := w.to == p.b.node && w.about == c.asks || w.asks != 0 && c.asked != 0 && place > c.asked
	if answers && !c.open && c.asks != 0 && w.epoch == p.epoch {
		c.answers[w.node] = w.steady
	}
	p.conclude()
}

// hearOwn notes where the question is. What a node reads before its first one is of any age.
func (p *partition) hearOwn(place uint64, at time.Time) {
	c := &p.census
	c.asked, c.since = place, time.Now()
	for name, one := range c.peers {
		if !c.told && at.Sub(one.said) > leaseTime {
			delete(c.peers, name)
		}
	}
	p.conclude()
}

// meet notes who speaks. Who is not steady, and was not known, has told nobody anything.
func (p *partition) meet(w *word, place uint64, said time.Time) {
	c := &p.census
	one := c.peers[w.node]
	switch {
	case w.bye:
		delete(c.peers, w.node)
		return
	case one == nil && (w.steady == 0 || len(c.peers) >= maxPeers):
		return
	case one == nil:
		one = &peer{first: place}
		c.peers[w.node] = one
	}
	one.last, one.said, one.heard, one.due = place, said, time.Now(), time.Time{}
}

// conclude settles the question if all have answered who may know more. A node that was there all the
// time since before another one's last word knows at least what that one can have read.
func (p *partition) conclude() {
	c := &p.census
	if c.open || c.asked == 0 || p.epoch == "" {
		return
	}
	oldest := uint64(0)
	for _, steady := range c.answers {
		if steady != 0 && (oldest == 0 || steady < oldest) {
			oldest = steady
		}
	}
	for name, one := range c.peers {
		_, answered := c.answers[name]
		covered := oldest != 0 && oldest <= one.last
		if one.first < c.asked && !answered && !covered {
			return
		}
	}
	p.settle(c.asked)
}

// settle has everything go on. The lock is held.
func (p *partition) settle(place uint64) {
	c := &p.census
	held := c.held
	c.open, c.told, c.holds, c.held, c.asks, c.steady = true, true, false, nil, 0, place
	c.say = append(c.say, word{})
	for _, one := range c.peers {
		one.heard, one.due = time.Now(), time.Time{}
	}
	for _, r := range held {
		p.take(r)
	}
	p.signal()
}

// begins is called when the log says that the partition has another life. What is held was before it.
func (p *partition) begins(place uint64) {
	c := &p.census
	c.held = nil
	if c.open || c.asked == 0 || place < c.asked {
		return
	}
	for name, one := range c.peers {
		if _, answered := c.answers[name]; !answered && one.last < c.asked {
			delete(c.peers, name) // it will find out itself
		}
	}
	p.settle(place)
}

// hold keeps a record for later, if what is read is in doubt.
func (p *partition) hold(r Record) bool {
	c := &p.census
	if !c.holds {
		return false
	}
	n := len(c.held)
	if n > 0 && r.Offset <= c.held[n-1].Offset {
		return true // it comes again
	}
	if len(r.Value) > 0 && r.Value[0] == kindLife {
		if l, err := parseLife(r.Value); err == nil && l.after == p.epoch && l.id != p.epoch {
			return false
		}
	}
	c.held = append(c.held, r)
	return true
}

// words returns what is to be said now, whether nobody knows whether the log is whole, and when to look again.
func (p *partition) words() (say []word, lost bool, again time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c, now := &p.census, time.Now()
	if p.run == "" || p.down != nil {
		c.say = nil
		return nil, false, askTime
	}
	if !c.open && c.asked != 0 {
		late := now.Sub(c.since) >= patienceTime
		if lost = late && c.holds; lost {
			c.since = now
		} else if late && p.epoch != "" { // the others know better, if there are any
			p.settle(c.asked)
		}
	}
	say, c.say = c.say, nil
	if c.asks != 0 && now.Sub(c.put) >= askTime {
		c.put = now
		say = append(say, word{asks: c.asks})
	}
	rest := idleWordTime
	if c.owes {
		rest = wordTime
	}
	if len(say) == 0 && c.open && now.Sub(c.spoken) >= rest {
		say = append(say, word{})
	}
	for i := range say {
		say[i].node, say[i].number, say[i].epoch, say[i].steady = p.b.node, p.b.numbers.Add(1), p.epoch, c.steady
		c.spoken, c.owes, rest = now, false, idleWordTime
	}
	if !c.open {
		return say, lost, askTime
	}
	return say, lost, max(rest-now.Sub(c.spoken), 0)
}

// speak says what is to be said, and returns when to look again.
func (p *partition) speak() time.Duration {
	say, lost, again := p.words()
	for i := range say {
		if err := p.b.config.Log.Append(p.b.ctx, p.n, "", say[i].record()); err != nil {
			p.b.log.Debug("a word is not said", "partition", p.n, "error", err)
		}
	}
	if !lost {
		return again
	}
	p.mu.Lock()
	next := life{rand.Text(), p.epoch}
	p.mu.Unlock()
	p.b.log.Warn("nobody knows whether a partition has lost something: a node does not answer that had read it", "partition", p.n)
	if err := p.b.config.Log.Append(p.b.ctx, p.n, "", next.record()); err != nil {
		p.b.log.Warn("a partition gets no name", "partition", p.n, "error", err)
	}
	return again
}

// leave tells the others that this node ends: nobody waits for its answers.
func (p *partition) leave(ctx context.Context) {
	p.mu.Lock()
	w := word{node: p.b.node, number: p.b.numbers.Add(1), bye: true}
	known := p.census.told && p.down == nil
	p.mu.Unlock()
	if !known {
		return
	}
	if err := p.b.config.Log.Append(ctx, p.n, "", w.record()); err != nil {
		p.b.log.Debug("a word is not said", "partition", p.n, "error", err)
	}
}
