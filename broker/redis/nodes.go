package redis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// A node's lease lasts for leaseTime, and is renewed three times in that.
	leaseTime = 6 * time.Second

	// askTime is how long the answers of the other nodes are waited for.
	askTime = 4 * time.Second
)

// A census is what all nodes have said of one process.
type census struct {
	done     chan struct{} // closed when it is over
	seen     [partitions]uint64
	covers   [partitions]bool // which of them it serves
	complete bool             // every node has answered
}

// nodes are the others that share this Redis.
type nodes struct {
	b      *Broker
	cancel context.CancelFunc
	done   chan struct{}

	mu       sync.Mutex
	known    map[string]time.Time   // when each was last heard of
	censuses map[string]*census     // by process
	answers  map[string]chan string // to the questions that are open, by their ids
}

func (n *nodes) init(b *Broker) {
	n.b, n.done = b, make(chan struct{})
	n.known, n.censuses, n.answers = make(map[string]time.Time), make(map[string]*census), make(map[string]chan string)
}

func (n *nodes) start() {
	ctx, cancel := context.WithCancel(context.Background())
	n.cancel = cancel
	go n.run(ctx)
}

func (n *nodes) close() {
	n.cancel()
	<-n.done
}

// A heartbeat is the answer to one.
type heartbeat struct {
	process    string
	live, dead []string
}

func (b *Broker) beat(ctx context.Context) (h heartbeat, err error) {
	a, err := b.callOnce(ctx, "rw1_beat", []string{b.nodesKey()}, []string{b.node, millis(b.lease)})
	if err != nil {
		return h, err
	}
	if len(a.rest) < 2 {
		return h, errors.New("redis: the answer is cut short")
	}
	h.process = a.word(1)
	if h.live, err = a.rest[0].AsStrSlice(); err != nil {
		return h, err
	}
	h.dead, err = a.rest[1].AsStrSlice()
	return h, err
}

// run renews the lease.
func (n *nodes) run(ctx context.Context) {
	defer close(n.done)
	_ = n.say(ctx, "here "+n.b.node) // the beats say so, too
	tick := time.NewTicker(n.b.lease / 3)
	defer tick.Stop()
	for {
		if err := n.round(ctx); err != nil && ctx.Err() == nil {
			n.b.config.Log.Warn("redis: the lease is not renewed", "error", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// round renews the lease, and forgets nodes that are gone.
func (n *nodes) round(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, n.b.lease)
	defer cancel()
	h, err := n.b.beat(ctx)
	if err != nil {
		return err
	}
	// Questions of other nodes come from there.
	n.b.links.servedBy(nodesPlace, h.process)
	gone := n.meet(h)
	if len(gone) == 0 {
		return nil
	}
	// All that they were told of is in the counters of now, which this node sees in their place. Where the
	// process is not the one that they knew a census comes first, in which they are missing.
	for p := range partition(partitions) {
		if _, err := n.b.call(ctx, p, "rw1_count", []string{n.b.partitionKey(p)}, n.b.fresh()); err != nil {
			return fmt.Errorf("count what %v have seen: %w", gone, err)
		}
	}
	if err := n.b.client.Do(ctx, n.b.client.B().Zrem().Key(n.b.nodesKey()).Member(gone...).Build()).Error(); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, node := range gone {
		delete(n.known, node)
	}
	return nil
}

// meet takes who is there, and returns those who are no more.
func (n *nodes) meet(h heartbeat) (gone []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	for _, node := range h.live {
		n.known[node] = now
	}
	for _, node := range h.dead {
		if n.known[node].IsZero() {
			n.known[node] = now.Add(-n.b.lease)
		}
	}
	for node, heard := range n.known {
		if now.Sub(heard) >= n.b.lease {
			gone = append(gone, node)
		}
	}
	return gone
}

// others returns who may have seen something, besides this node.
func (n *nodes) others() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var all []string
	for node := range n.known {
		if node != n.b.node {
			all = append(all, node)
		}
	}
	return all
}

// census asks all nodes what they have seen of the partitions that a process serves: once for each
// process, and again if it serves another partition then.
func (n *nodes) census(ctx context.Context, p partition, process string) (*census, error) {
	n.mu.Lock()
	c := n.censuses[process]
	if c != nil && c.over() && !c.covers[p] {
		c = nil
	}
	first := c == nil
	if first {
		c = &census{done: make(chan struct{})}
		n.censuses[process] = c
	}
	n.mu.Unlock()
	if !first {
		select {
		case <-c.done:
			return c, nil
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	if err := n.count(ctx, c, p, process); err != nil {
		n.b.config.Log.Warn("redis: a node has not said what it knows", "error", err)
	}
	close(c.done)
	return c, nil
}

func (c *census) over() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// count has everybody answer. Without an error the census is complete.
func (n *nodes) count(ctx context.Context, c *census, p partition, process string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTime)
	defer cancel()
	h, err := n.patientBeat(ctx)
	if err != nil {
		return err
	}
	n.meet(h)
	own, err := n.patientTestify(ctx, process)
	if err != nil {
		return err
	}
	c.begin(own)
	id, answers := random(), make(chan string, 100)
	n.mu.Lock()
	n.answers[id] = answers
	n.mu.Unlock()
	defer func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.answers, id)
	}()
	missing := n.others()
	again := time.NewTicker(askTime / 10)
	defer again.Stop()
	for len(missing) > 0 {
		if now, err := n.b.processOf(ctx, p); err == nil && now.process != process {
			return fmt.Errorf("%s is gone, too", process) // whoever waits asks of the next one
		}
		// Those that have not yet noticed do not answer.
		_ = n.say(ctx, "ask "+id+" "+process) // said again below
		for waits := true; waits && len(missing) > 0; {
			select {
			case <-again.C:
				waits = false
			case <-ctx.Done():
				return fmt.Errorf("%v: %w", missing, context.Cause(ctx))
			case text := <-answers:
				node, w, err := parseTestimony(text)
				if err != nil {
					return err
				}
				if i := slices.Index(missing, node); i >= 0 {
					c.take(w)
					missing = slices.Delete(missing, i, i+1)
				}
			}
		}
	}
	c.complete = true
	return nil
}

// patientBeat is beat until it succeeds or ctx ends.
func (n *nodes) patientBeat(ctx context.Context) (heartbeat, error) {
	again := time.NewTicker(askTime / 30)
	defer again.Stop()
	for {
		h, err := n.b.beat(ctx)
		if err == nil {
			return h, nil
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return heartbeat{}, err
		}
	}
}

// A testimony is what one node has seen of the partitions that a process serves; -1 is one of another process.
type testimony [partitions]int64

// testify has this node believe nobody else any more in the partitions that a process serves, and
// returns what it has seen there.
func (n *nodes) testify(ctx context.Context, process string) (testimony, error) {
	var w testimony
	all, err := n.b.processes(ctx)
	if err != nil {
		return w, err
	}
	for p := range w {
		w[p] = -1
		if all[p].process != process {
			continue
		}
		if seen, ok := n.b.fences.pin(partition(p), all[p]); ok {
			w[p] = int64(seen) //nolint:gosec // below maxOffset
		}
	}
	return w, nil
}

// patientTestify is testify until it succeeds or ctx ends: connections that the last process had end one after the other.
func (n *nodes) patientTestify(ctx context.Context, process string) (testimony, error) {
	again := time.NewTicker(askTime / 30)
	defer again.Stop()
	for {
		w, err := n.testify(ctx, process)
		if err == nil {
			return w, nil
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return w, err
		}
	}
}

func (c *census) begin(own testimony) {
	for p, n := range own {
		c.covers[p] = n >= 0
		c.seen[p] = uint64(max(n, 0)) //nolint:gosec // not negative
	}
}

// take adds what another node has seen. Where that is of another process it says nothing.
func (c *census) take(w testimony) {
	for p, n := range w {
		if n < 0 {
			c.covers[p] = false
			continue
		}
		c.seen[p] = max(c.seen[p], uint64(n))
	}
}

func (n *nodes) say(ctx context.Context, text string) error {
	return n.b.client.Do(ctx, n.b.client.B().Spublish().Channel(n.b.nodesChannel()).Message(text).Build()).Error()
}

// hear takes what another node says to all. It does not block.
func (n *nodes) hear(text string) {
	verb, rest, _ := strings.Cut(text, " ")
	switch verb {
	case "here":
		n.mu.Lock()
		n.known[rest] = time.Now()
		n.mu.Unlock()
	case "ask":
		id, process, _ := strings.Cut(rest, " ")
		go n.tell(id, process)
	case "tell":
		id, answer, _ := strings.Cut(rest, " ")
		n.mu.Lock()
		answers := n.answers[id]
		n.mu.Unlock()
		select {
		case answers <- answer:
		default: // nobody asks, or too many answer
		}
	}
}

// tell answers what this node has seen, if its own connections are to that process already: what
// another one has acknowledged is in it then.
func (n *nodes) tell(id, process string) {
	ctx, cancel := context.WithTimeout(context.Background(), askTime)
	defer cancel()
	w, err := n.testify(ctx, process)
	if err != nil || !slices.ContainsFunc(w[:], func(n int64) bool { return n >= 0 }) {
		return
	}
	var text strings.Builder
	text.WriteString("tell " + id + " " + n.b.node)
	for _, seen := range w {
		text.WriteString(" " + strconv.FormatInt(seen, 10))
	}
	_ = n.say(ctx, text.String()) // who asks asks again
}

func parseTestimony(text string) (node string, w testimony, err error) {
	words := strings.Fields(text)
	if len(words) != partitions+1 {
		return "", w, errors.New("redis: a node says something else")
	}
	for i, word := range words[1:] {
		if w[i], err = strconv.ParseInt(word, 10, 64); err != nil {
			return "", w, err
		}
	}
	return words[0], w, nil
}
