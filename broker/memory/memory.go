// Package memory is the broker of a single node: the logs live in the process and
// end with it. Every process has an epoch of its own, so that a client which comes
// back after a restart learns that its position means nothing any more.
package memory

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"hash/maphash"
	"sync"
	"time"

	"github.com/seed-15847954/ropewalk/hub"
)

const shardCount = 64

// A Broker is a [hub.Broker] inside the process. It keeps nothing but positions:
// a publication goes to those who are subscribed when it comes.
// All methods may be called at once by many goroutines.
type Broker struct {
	epoch  string
	seed   maphash.Seed
	shards [shardCount]shard
}

// A shard holds a part of the logs. Its lock may be taken while a log's is held,
// not the other way round.
type shard struct {
	mu   sync.Mutex
	logs map[string]*log

	// floor is at least the top of every log that was let go, and where new logs
	// begin. Channels without a subscriber thus cost no memory, and yet no offset
	// of a channel is ever used twice in an epoch.
	floor uint64
}

type log struct {
	mu   sync.Mutex
	top  uint64
	sink hub.Sink // nil until Subscribe has come to set it
	gone bool     // no longer in the shard's map
}

// New returns a broker without channels and with a random epoch of 128 bits.
func New() *Broker {
	var epoch [16]byte
	rand.Read(epoch[:]) // never fails: crypto/rand ends the program instead
	b := &Broker{epoch: hex.EncodeToString(epoch[:]), seed: maphash.MakeSeed()}
	for i := range b.shards {
		b.shards[i].logs = make(map[string]*log)
	}
	return b
}

// Publish gives m the next position of its channel and hands it to the channel's
// sink before it returns. It blocks while an earlier publication to the same
// channel is being handed over. The error is always nil.
func (b *Broker) Publish(_ context.Context, m hub.Message, _ hub.PublishOptions) (hub.Published, error) {
	l, offset := b.shard(m.Channel).advance(m.Channel)
	if l == nil {
		return hub.Published{Position: hub.Position{Epoch: b.epoch, Offset: offset}}, nil
	}
	defer l.mu.Unlock()
	prev := l.top
	l.top++
	pos := hub.Position{Epoch: b.epoch, Offset: l.top}
	if l.sink != nil {
		l.sink.Deliver(&hub.Publication{Message: m, Position: pos, Prev: prev, Time: time.Now()})
	}
	return hub.Published{Position: pos}, nil
}

// Subscribe hands the channel's publications to sink from the next one on and
// returns the position of the last one before. The error is always nil.
func (b *Broker) Subscribe(_ context.Context, channel string, sink hub.Sink) (hub.Position, error) {
	l := b.open(channel)
	defer l.mu.Unlock()
	l.sink = sink
	return hub.Position{Epoch: b.epoch, Offset: l.top}, nil
}

// Unsubscribe ends that and lets the log go. It blocks while a publication is
// being handed over. The error is always nil.
func (b *Broker) Unsubscribe(_ context.Context, channel string) error {
	sh := b.shard(channel)
	l := sh.locked(channel)
	if l == nil {
		return nil
	}
	defer l.mu.Unlock()
	l.gone = true
	sh.mu.Lock()
	defer sh.mu.Unlock()
	delete(sh.logs, channel)
	sh.floor = max(sh.floor, l.top)
	return nil
}

func (b *Broker) shard(channel string) *shard {
	return &b.shards[maphash.String(b.seed, channel)%shardCount]
}

// locked returns the channel's log, locked, or nil where there is none.
func (sh *shard) locked(channel string) *log {
	for {
		sh.mu.Lock()
		l := sh.logs[channel]
		sh.mu.Unlock()
		if l == nil {
			return nil
		}
		l.mu.Lock()
		if !l.gone {
			return l
		}
		l.mu.Unlock()
	}
}

// advance returns the channel's log, locked. Where there is none it returns the
// offset of a publication that nobody hears.
func (sh *shard) advance(channel string) (*log, uint64) {
	for {
		if l := sh.locked(channel); l != nil {
			return l, 0
		}
		if offset, ok := sh.pass(channel); ok {
			return nil, offset
		}
	}
}

// pass takes an offset from the floor, unless the channel has got a log.
func (sh *shard) pass(channel string) (uint64, bool) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.logs[channel] != nil {
		return 0, false
	}
	sh.floor++
	return sh.floor, true
}

// open returns the channel's log, locked, and makes it where there is none.
func (b *Broker) open(channel string) *log {
	sh := b.shard(channel)
	for {
		sh.mu.Lock()
		if sh.logs[channel] == nil {
			sh.logs[channel] = &log{top: sh.floor}
		}
		sh.mu.Unlock()
		if l := sh.locked(channel); l != nil {
			return l
		}
	}
}
