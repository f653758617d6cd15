package memory

import (
	"context"
	"slices"
	"strings"

	"github.com/seed-15847954/ropewalk/hub"
)

// members are the clients of a channel.
type members struct {
	clients map[string]*hub.Member // pointers, for a map has room for eight at least
	users   map[string]int         // clients of each user that has a name
	named   int                    // clients that have a user
}

func (m *members) count() int { return len(m.clients) }

// add reports whether the client is new.
func (m *members) add(member hub.Member) bool {
	known := m.remove(member.Client) != nil
	if m.clients == nil {
		m.clients = make(map[string]*hub.Member)
	}
	m.clients[member.Client] = &member
	if member.User != "" {
		if m.users == nil {
			m.users = make(map[string]int)
		}
		m.users[member.User]++
		m.named++
	}
	return !known
}

// remove returns nil if the client is not there.
func (m *members) remove(client string) *hub.Member {
	member := m.clients[client]
	if member == nil {
		return nil
	}
	delete(m.clients, client)
	if member.User != "" {
		m.named--
		if m.users[member.User]--; m.users[member.User] == 0 {
			delete(m.users, member.User)
		}
	}
	return member
}

// Enter adds m to a channel. The error is always nil.
func (b *Broker) Enter(_ context.Context, channel string, m hub.Member, joins bool) error {
	l := b.shard(channel).open(channel)
	defer l.mu.Unlock()
	if l.members.add(m) && joins && l.sink != nil {
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
	m := l.members.remove(client)
	if m != nil && joins && l.sink != nil {
		l.sink.Change(&hub.PresenceChange{Channel: channel, Member: *m, Left: true})
	}
	sh.letGo(l)
	return nil
}

// Members returns who is in a channel. The error is always nil. It takes time in
// proportion to all who are there; publishing waits for a part of it.
func (b *Broker) Members(_ context.Context, channel, after string, limit int) (found []hub.Member, more bool, err error) {
	behind := b.membersBehind(channel, after)
	slices.SortFunc(behind, func(a, b *hub.Member) int { return strings.Compare(a.Client, b.Client) })
	n := min(max(limit, 1), len(behind))
	for _, m := range behind[:n] {
		found = append(found, *m)
	}
	return found, n < len(behind), nil
}

// membersBehind returns members in no order. Nobody changes them.
func (b *Broker) membersBehind(channel, after string) (behind []*hub.Member) {
	l := b.shard(channel).locked(channel)
	if l == nil {
		return nil
	}
	defer l.mu.Unlock()
	for client, m := range l.members.clients {
		if client > after {
			behind = append(behind, m)
		}
	}
	return behind
}

// Count returns how many are in a channel. The error is always nil.
func (b *Broker) Count(_ context.Context, channel string) (clients, users int, err error) {
	l := b.shard(channel).locked(channel)
	if l == nil {
		return 0, 0, nil
	}
	defer l.mu.Unlock()
	clients = l.members.count()
	return clients, clients - l.members.named + len(l.members.users), nil
}
