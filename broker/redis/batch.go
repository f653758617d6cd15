package redis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/seed-15847954/ropewalk/hub"
)

const (
	// fullBatch and fullBytes are the most publications of one call, and about the most of their bytes: Redis
	// does nothing else meanwhile.
	fullBatch = 64
	fullBytes = 256 << 10

	// Where so many wait another call begins beside those that are under way, of which there are maxCalls at most. With more calls
	// the batches would be smaller, and each costs Redis a write to its disk; with fewer a long way to Redis would be a limit.
	enough   = 32
	maxCalls = 32
)

// A batcher hands publications to one server, many in one call: what comes while calls are under way
// waits for the next one.
type batcher struct {
	b *Broker

	mu      sync.Mutex
	waiting []*entry
	calls   int // under way
}

// A publication is what rw1_publish wants to know of one.
type publication struct {
	keys [4]string
	args [3]string // the message first
}

// An entry is a publication that somebody waits for.
type entry struct {
	*publication
	done  chan struct{} // closed when answer and err are set
	batch *batch        // whose part it is; nil: it waits. Guarded by batcher.mu

	answer answer
	err    error
}

// A batch is what goes in one call, which ends when nobody waits for it any more.
type batch struct {
	entries []*entry
	cancel  context.CancelFunc
	left    int // entries that nobody waits for any more; guarded by batcher.mu
}

// batcher returns that of a partition.
func (b *Broker) batcher(p partition) *batcher {
	return &b.batchers[int(p)%len(b.batchers)]
}

// publish has a publication carried out: at once where no call is under way.
func (q *batcher) publish(ctx context.Context, p *publication) (answer, error) {
	e := &entry{publication: p}
	q.mu.Lock()
	if q.calls == 0 {
		q.calls++
		q.mu.Unlock()
		q.b.publishAll(ctx, []*entry{e})
		q.next()
		return e.answer, e.err
	}
	e.done = make(chan struct{})
	q.waiting = append(q.waiting, e)
	if q.calls < maxCalls && len(q.waiting) >= enough {
		q.calls++
		go q.run()
	}
	q.mu.Unlock()
	select {
	case <-e.done:
		return e.answer, e.err
	case <-ctx.Done():
		return answer{}, q.leave(e, context.Cause(ctx))
	}
}

// leave gives an entry up.
func (q *batcher) leave(e *entry, cause error) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if e.batch == nil {
		q.waiting = slices.DeleteFunc(q.waiting, func(w *entry) bool { return w == e })
		return fmt.Errorf("redis: nothing was sent: %w", cause)
	}
	if e.batch.left++; e.batch.left == len(e.batch.entries) {
		e.batch.cancel()
	}
	return fmt.Errorf("redis: %w: %w", hub.ErrIndeterminate, cause)
}

// next has what came during a call of its own handed over.
func (q *batcher) next() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		q.calls--
		return
	}
	go q.run()
}

// run makes calls while there is something to hand over.
func (q *batcher) run() {
	for {
		ctx, cancel := context.WithCancel(context.Background())
		t := q.take(cancel)
		if t == nil {
			cancel()
			return
		}
		q.b.publishAll(ctx, t.entries)
		cancel()
		for _, e := range t.entries {
			close(e.done)
		}
	}
}

// take returns what the next call is for, or nil if this was the last one.
func (q *batcher) take(cancel context.CancelFunc) *batch {
	q.mu.Lock()
	defer q.mu.Unlock()
	n, bytes := 0, 0
	for n < min(fullBatch, len(q.waiting)) && bytes < fullBytes {
		bytes += len(q.waiting[n].args[0])
		n++
	}
	if n == 0 || q.calls > 1 && len(q.waiting) < enough {
		q.calls--
		return nil
	}
	t := &batch{entries: slices.Clone(q.waiting[:n]), cancel: cancel}
	q.waiting = slices.Delete(q.waiting, 0, n)
	for _, e := range t.entries {
		e.batch = t
	}
	return t
}

// publishAll has entries carried out by one call.
func (b *Broker) publishAll(ctx context.Context, entries []*entry) {
	keys := make([]string, 0, len(entries)*len(publication{}.keys))
	args := make([]string, 0, len(entries)*len(publication{}.args)+1)
	args = append(args, b.fresh())
	for _, e := range entries {
		keys = append(keys, e.keys[:]...)
		args = append(args, e.args[:]...)
	}
	answers, err := b.client.Do(ctx, b.fcall("rw1_publish", keys, args)).AsStrSlice()
	switch {
	case err != nil:
		err = sort(err)
	case len(answers) != len(entries):
		err = fmt.Errorf("redis: %w: the answer is cut short", hub.ErrIndeterminate)
	}
	for i, e := range entries {
		if e.err = err; err != nil {
			continue
		}
		if text, failed := strings.CutPrefix(answers[i], "error "); failed {
			e.err = errors.New("redis: " + text)
			continue
		}
		e.answer.words = strings.Fields(answers[i])
	}
}
