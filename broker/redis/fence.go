package redis

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-15847954/ropewalk/hub"
)

// fences know, for each partition, what Redis must still have when another process serves it, and which
// process that is.
type fences struct {
	// seen is the highest counter that this node was ever told of.
	seen [partitions]atomic.Uint64

	mu      sync.Mutex
	served  [partitions]tag
	refused [partitions]refusal
}

// A refusal is what was refused since then, with nothing else between.
type refusal struct {
	process string
	since   time.Time
}

// refuseTime is how long answers of one process are refused. One that was replaced is told so, or is out of
// reach, before that; who answers so long is the one that serves, though another one had begun later: a
// master that came back, took itself for one still, and gave up.
const refuseTime = 5 * time.Second

// A tag says which process has answered, and since when that serves the partition.
type tag struct {
	since   uint64 // in milliseconds, by the clocks of the servers
	process string // its id; empty: not known yet
}

func parseTag(s string) (tag, error) {
	since, process, ok := strings.Cut(s, "-")
	n, err := strconv.ParseUint(since, 10, 63)
	if !ok || err != nil || process == "" {
		return tag{}, errors.New("redis: not a tag")
	}
	return tag{n, process}, nil
}

func (f *fences) see(p partition, offset uint64) {
	for {
		before := f.seen[p].Load()
		if offset <= before || f.seen[p].CompareAndSwap(before, offset) {
			return
		}
	}
}

// accept reports whether what has a tag may be believed, and whether it is the first of another
// process. One that was replaced may go on for a while: what it says is not in the log.
// What is in the answer has to be seen before.
func (f *fences) accept(p partition, t tag) (ok, another bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	have := &f.served[p]
	switch {
	case t.process == have.process:
		have.since = max(have.since, t.since)
		f.refused[p] = refusal{}
		return true, false
	case t.since > have.since:
		*have = t
		f.refused[p] = refusal{}
		return true, true
	}
	switch r := &f.refused[p]; {
	case r.process != t.process:
		*r = refusal{t.process, time.Now()}
	case time.Since(r.since) >= refuseTime:
		*have, *r = t, refusal{}
		return true, true
	}
	return false, false
}

// pin has nothing accepted any more of what others than a process have answered that serves the
// partition at that time, and returns what was seen until then; or not, where this node knows a later one.
func (f *fences) pin(p partition, t tag) (seen uint64, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	have := &f.served[p]
	if t.process != have.process && t.since <= have.since {
		return 0, false
	}
	*have = tag{max(t.since, have.since), t.process}
	return f.seen[p].Load(), true
}

// errReplaced is the error of an answer of a process that another one has replaced.
var errReplaced = fmt.Errorf("redis: %w: a server has answered that serves no more", hub.ErrIndeterminate)

// accept takes an answer with a tag, or fails.
func (b *Broker) accept(p partition, text string) (tag, error) {
	t, err := parseTag(text)
	if err != nil {
		return t, err
	}
	ok, another := b.fences.accept(p, t)
	if another {
		b.links.servedBy(p, t.process)
	}
	if !ok {
		return t, errReplaced
	}
	return t, nil
}

// settle lets publishing go on in a partition that another process serves now, which has fenced an epoch. That
// stays only if nothing is missing that anybody knows of.
func (b *Broker) settle(ctx context.Context, p partition, epoch, process string) error {
	c, err := b.nodes.census(ctx, p, process)
	if err != nil {
		return err
	}
	seen := ""
	if c.complete && c.covers[p] {
		seen = strconv.FormatUint(c.seen[p], 10)
	}
	_, err = b.callOnce(ctx, "rw1_settle", []string{b.partitionKey(p)}, []string{epoch, process, random(), seen})
	return err
}
