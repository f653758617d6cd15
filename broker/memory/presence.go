package memory

import (
	"context"

	"github.com/seed-15847954/ropewalk/hub"
)

// Enter adds m to a channel. The error is always nil.
func (b *Broker) Enter(_ context.Context, channel string, m hub.Member, joins bool) error {
	l := b.shard(channel).open(channel)
	defer l.mu.Unlock()
	if l.members.Add(m) && joins && l.sink != nil {
		l.sink.Change(&hub.PresenceChange{Channel: channel, Member: m})
	}
	return nil
}

// Leave removes a client from a channel. The error is always nil.
func (b *Broker) Leave(_ context.Context, channel, client string, joins bool) error {
	sh := b.shard(channel)
	l := sh.locked(channel)
	if l == nil {
		return nil
	}
	defer l.mu.Unlock()
	m := l.members.Remove(client)
	if m != nil && joins && l.sink != nil {
		l.sink.Change(&hub.PresenceChange{Channel: channel, Member: *m, Left: true})
	}
	sh.letGo(l)
	return nil
}

// Members returns who is in a channel. The error is always nil. It takes time in
// proportion to all who are there; publishing waits for a part of it.
func (b *Broker) Members(_ context.Context, channel, after string, limit int) (found []hub.Member, more bool, err error) {
	found, more = hub.PageOf(b.membersBehind(channel, after), limit)
	return found, more, nil
}

func (b *Broker) membersBehind(channel, after string) []*hub.Member {
	l := b.shard(channel).locked(channel)
	if l == nil {
		return nil
	}
	defer l.mu.Unlock()
	return l.members.Behind(after)
}

// Count returns how many are in a channel. The error is always nil.
func (b *Broker) Count(_ context.Context, channel string) (clients, users int, err error) {
	l := b.shard(channel).locked(channel)
	if l == nil {
		return 0, 0, nil
	}
	defer l.mu.Unlock()
	clients, users = l.members.Count()
	return clients, users, nil
}
