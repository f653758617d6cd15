package memory

import (
	"sync/atomic"
	"time"
)

// clock counts publications, so that the logs of all shards can be compared.
var clock atomic.Uint64

// sweepTime is how often what has expired is looked for. Readers look by themselves.
const sweepTime = 10 * time.Second

// evict forgets the history of the logs that were published to least recently, each
// from its old end, and then their IDs, until there is room.
func (b *Broker) evict() {
	for b.bytes.Load() > b.max {
		l := b.oldest()
		if l == nil {
			return
		}
		b.shrink(b.shard(l.channel), l)
	}
}

// shrink forgets half of a log's history, or its IDs where it has none. A log that is
// the oldest one stays that until all of it is gone.
func (b *Broker) shrink(sh *shard, l *log) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone || b.bytes.Load() <= b.max { // another publisher has made room
		return
	}
	freed := l.history.Halve()
	if freed == 0 {
		freed = l.ids.Clear()
	}
	b.bytes.Add(-int64(freed))
	sh.settle(l)
}

// oldest returns the log of all shards that was published to least recently.
func (b *Broker) oldest() *log {
	var found *log
	var when uint64
	for i := range b.shards {
		if l, used := b.shards[i].oldest(); l != nil && (found == nil || used < when) {
			found, when = l, used
		}
	}
	return found
}

// settle takes a log, which is locked and may have lost everything, out of the list
// of those that keep something, and forgets it if that was all.
func (sh *shard) settle(l *log) {
	if !l.history.Empty() || !l.ids.Empty() {
		return
	}
	sh.mu.Lock()
	if l.place != nil {
		sh.recent.Remove(l.place)
		l.place = nil
	}
	sh.mu.Unlock()
	sh.letGo(l)
}

// startSweep has what expires looked for, until nothing is kept any more.
func (b *Broker) startSweep() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.sweep == nil {
		b.sweep = time.AfterFunc(sweepTime, b.sweepAll)
	}
}

func (b *Broker) sweepAll() {
	// From here on whoever publishes starts the next sweep: this one may be past
	// that log already.
	b.mu.Lock()
	b.sweep = nil
	b.mu.Unlock()
	now, keep := time.Now(), false
	for i := range b.shards {
		for _, l := range b.shards[i].all() {
			keep = b.expire(&b.shards[i], l, now) || keep
		}
	}
	if keep {
		b.startSweep()
	}
}

// expire forgets what is too old in a log, and reports whether it keeps anything.
func (b *Broker) expire(sh *shard, l *log, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone {
		return false
	}
	b.bytes.Add(-int64(l.history.Expire(now) + l.ids.Expire(now)))
	sh.settle(l)
	return !l.history.Empty() || !l.ids.Empty()
}
