package memory

import (
	"container/list"
	"sync"

	"github.com/seed-15847954/ropewalk/broker/internal/retain"
	"github.com/seed-15847954/ropewalk/hub"
)

// A shard holds a part of the logs. Its lock may be taken while a log's is held,
// not the other way round.
type shard struct {
	mu   sync.Mutex
	logs map[string]*log

	// floor is at least the top of every log that was let go, and where new logs
	// begin. Channels of which nothing is kept thus cost no memory, and yet no offset
	// of a channel is ever used twice in an epoch.
	floor uint64

	// recent holds the logs that keep something, the one that was published to
	// least recently in front.
	recent list.List
}

// A log is one channel. It is locked by whoever gets it from a shard.
type log struct {
	channel string

	mu      sync.Mutex
	top     uint64
	sink    hub.Sink // nil unless subscribed to
	history retain.History
	ids     retain.IDs
	members hub.Roster
	matched retain.Matched
	gone    bool // no longer in the shard's map

	// Guarded by the shard's lock.
	place *list.Element // in recent
	used  uint64        // when it was published to last, by the clock of all shards
}

func (sh *shard) init() {
	sh.logs = make(map[string]*log)
	sh.recent.Init()
}

// lowest returns where a new log would begin.
func (sh *shard) lowest() uint64 {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return sh.floor
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
func (sh *shard) open(channel string) *log {
	for {
		sh.mu.Lock()
		l := sh.logs[channel]
		if l == nil {
			l = &log{channel: channel, top: sh.floor}
			sh.logs[channel] = l
		}
		sh.mu.Unlock()
		l.mu.Lock()
		if !l.gone {
			return l
		}
		l.mu.Unlock()
	}
}

// letGo forgets a log, which is locked, when there is nothing in it.
func (sh *shard) letGo(l *log) {
	if clients, _ := l.members.Count(); l.sink != nil || !l.history.Empty() || !l.ids.Empty() || clients > 0 {
		return
	}
	l.gone = true
	sh.mu.Lock()
	defer sh.mu.Unlock()
	delete(sh.logs, l.channel)
	sh.floor = max(sh.floor, l.top)
	if l.place != nil {
		sh.recent.Remove(l.place)
		l.place = nil
	}
}

// touch notes that a log, which is locked, was published to.
func (sh *shard) touch(l *log) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	l.used = clock.Add(1)
	if l.place == nil {
		l.place = sh.recent.PushBack(l)
		return
	}
	sh.recent.MoveToBack(l.place)
}

// oldest returns the log of the shard that was published to least recently and when
// that was, or nil.
func (sh *shard) oldest() (*log, uint64) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	front := sh.recent.Front()
	if front == nil {
		return nil, 0
	}
	l := front.Value.(*log)
	return l, l.used
}

// all returns every log of the shard.
func (sh *shard) all() []*log {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	all := make([]*log, 0, len(sh.logs))
	for _, l := range sh.logs {
		all = append(all, l)
	}
	return all
}
