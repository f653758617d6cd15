// Package memory is the broker of a single node: the logs live in the process and
// end with it. Every process has an epoch of its own, so that a client which comes
// back after a restart learns that its position means nothing any more.
package memory

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-15847954/ropewalk/broker/internal/retain"
	"github.com/seed-15847954/ropewalk/hub"
)

const shardCount = 64

// A Config bounds a broker. The zero value is fine.
type Config struct {
	// MaxBytes bounds the memory that histories and remembered IDs take. Beyond it
	// the channel that was published to least recently loses its history from the
	// old end, and then its IDs. Zero means 256 MiB.
	MaxBytes int
}

// A Broker is a [hub.Broker] inside the process, with history, presence and
// patterns. All methods may be called at once by many goroutines.
type Broker struct {
	// Constant after New.
	epoch string
	max   int64
	seed  maphash.Seed

	shards   [shardCount]shard
	bytes    atomic.Int64 // of histories and IDs
	patterns retain.Patterns

	mu    sync.Mutex
	sweep *time.Timer // nil unless there is something that expires
}

// New returns a broker without channels and with a random epoch of 128 bits.
func New(config Config) *Broker {
	if config.MaxBytes == 0 {
		config.MaxBytes = 256 << 20
	}
	var epoch [16]byte
	rand.Read(epoch[:]) // never fails: crypto/rand ends the program instead
	b := &Broker{epoch: hex.EncodeToString(epoch[:]), max: int64(config.MaxBytes), seed: maphash.MakeSeed()}
	for i := range b.shards {
		b.shards[i].init()
	}
	return b
}

// Publish gives m the next position of its channel and hands it to the channel's
// sink before it returns. It blocks while an earlier publication to the same
// channel is being handed over. The error is [hub.ErrConflict] or nil.
func (b *Broker) Publish(_ context.Context, m hub.Message, o hub.PublishOptions) (hub.Published, error) {
	if o.Options == nil {
		o.Options = new(hub.Options)
	}
	sh := b.shard(m.Channel)
	if !o.Recoverable() && o.Dedup == 0 && o.Expect == nil && !b.patterns.Any() {
		l, offset := sh.advance(m.Channel)
		if l == nil {
			return b.published(offset), nil
		}
		defer l.mu.Unlock()
		return b.append(l, m, o), nil
	}
	l := sh.open(m.Channel)
	done, err := b.publish(l, m, o)
	sh.letGo(l)
	l.mu.Unlock()
	b.evict()
	return done, err
}

// Near says that history is in the memory of this process, as [hub.NearHistorian] has it.
func (b *Broker) Near() {}

// Level implements [hub.Leveler].
func (b *Broker) Level() hub.Level { return hub.Level{Acked: "in the memory of this process"} }

func (b *Broker) published(offset uint64) hub.Published {
	return hub.Published{Position: hub.Position{Epoch: b.epoch, Offset: offset}}
}

// publish is Publish with the log locked.
func (b *Broker) publish(l *log, m hub.Message, o hub.PublishOptions) (hub.Published, error) {
	if offset, ok := l.ids.Find(m.ID, time.Now()); ok && o.Dedup > 0 {
		done := b.published(offset)
		done.Duplicate = true
		return done, nil
	}
	if top := (hub.Position{Epoch: b.epoch, Offset: l.top}); o.Expect != nil && *o.Expect != top {
		return b.published(top.Offset), fmt.Errorf("%w: it is offset %d of epoch %s", hub.ErrConflict, top.Offset, top.Epoch)
	}
	return b.append(l, m, o), nil
}

// append puts m at the end of a log, which is locked, and hands it over.
func (b *Broker) append(l *log, m hub.Message, o hub.PublishOptions) hub.Published {
	p := &hub.Publication{Message: m, Prev: l.top, Time: time.Now()}
	l.top++
	p.Position = hub.Position{Epoch: b.epoch, Offset: l.top}
	grown := l.history.Add(p, o.Options)
	if o.Dedup > 0 && m.ID != "" {
		grown += l.ids.Add(m.ID, l.top, p.Time, p.Time.Add(o.Dedup))
	}
	b.bytes.Add(int64(grown))
	if !l.history.Empty() || !l.ids.Empty() {
		b.shard(m.Channel).touch(l)
		b.startSweep()
	}
	if l.sink != nil {
		l.sink.Deliver(p)
	}
	for _, sink := range b.patterns.Match(l.channel, &l.matched) {
		sink.Deliver(p)
	}
	p.Forget()
	return b.published(l.top)
}

// Subscribe hands the channel's publications to sink from the next one on and
// returns the position of the last one before. The error is always nil.
func (b *Broker) Subscribe(_ context.Context, channel string, sink hub.Sink) (hub.Position, error) {
	l := b.shard(channel).open(channel)
	defer l.mu.Unlock()
	l.sink = sink
	return hub.Position{Epoch: b.epoch, Offset: l.top}, nil
}

// Unsubscribe ends that. It blocks while a publication is being handed over. The
// error is always nil.
func (b *Broker) Unsubscribe(_ context.Context, channel string) error {
	sh := b.shard(channel)
	l := sh.locked(channel)
	if l == nil {
		return nil
	}
	defer l.mu.Unlock()
	l.sink = nil
	sh.letGo(l)
	return nil
}

// History returns a part of a channel's log. The error is always nil.
func (b *Broker) History(_ context.Context, channel string, q hub.Query) (hub.Page, error) {
	sh := b.shard(channel)
	l := sh.locked(channel)
	if l == nil {
		return hub.Page{Top: hub.Position{Epoch: b.epoch, Offset: sh.lowest()}}, nil
	}
	defer l.mu.Unlock()
	b.bytes.Add(-int64(l.history.Expire(time.Now())))
	page := hub.Page{Top: hub.Position{Epoch: b.epoch, Offset: l.top}}
	if q.From != nil && q.From.Epoch != b.epoch {
		return page, nil
	}
	page.Publications, page.More = l.history.Read(q)
	return page, nil
}

func (b *Broker) shard(channel string) *shard {
	return &b.shards[maphash.String(b.seed, channel)%shardCount]
}
