package cluster

import (
	"context"
	"hash/maphash"
	"maps"
	"sync"

	"github.com/seed-15847954/ropewalk/cluster/clusterpb"
	"github.com/seed-15847954/ropewalk/hub"
)

// shardCount spreads the channels over as many locks.
const shardCount = 64

// A presence is who is in which channel, on all nodes. Each node has the last word about
// those who have entered on it, and tells the others of every change; who misses one asks for
// all of them.
type presence struct {
	// Constant after init.
	seed    maphash.Seed
	changed func(channel string, c *hub.PresenceChange)

	shards [shardCount]shard // whose locks are taken before that of own
	own    own
}

type shard struct {
	mu    sync.Mutex
	rooms map[string]*room
}

// A room is those who are in a channel.
type room struct {
	roster  hub.Roster
	holders map[string]holder // by client
}

// A holder is the node that has the last word about a client.
type holder struct {
	copy *replica // nil: this one
	told bool     // subscribers are told when it leaves
}

// A stay is a client in a channel.
type stay struct{ channel, client string }

// own is what this node tells the others.
type own struct {
	mu      sync.Mutex
	stays   map[stay]*clusterpb.Change
	count   uint64 // of all changes
	pending []*clusterpb.Change
	wanted  bool // somebody has missed changes
}

// A replica is what is known of the presence on another node. It is guarded by Cluster.mu.
type replica struct {
	count uint64 // of changes
	whole bool   // no change was missed
	stays map[stay]bool
}

func (p *presence) init(changed func(channel string, c *hub.PresenceChange)) {
	p.seed, p.changed = maphash.MakeSeed(), changed
	for i := range p.shards {
		p.shards[i].rooms = make(map[string]*room)
	}
	p.own.stays = make(map[stay]*clusterpb.Change)
}

func (p *presence) shard(channel string) *shard {
	return &p.shards[maphash.String(p.seed, channel)%shardCount]
}

// enter puts m into a channel, on the word of a node. The shard is locked.
func (p *presence) enter(sh *shard, channel string, m hub.Member, by holder) {
	r := sh.rooms[channel]
	if r == nil {
		r = &room{holders: make(map[string]holder)}
		sh.rooms[channel] = r
	}
	r.holders[m.Client] = by
	if r.roster.Add(m) && by.told {
		p.changed(channel, &hub.PresenceChange{Channel: channel, Member: m})
	}
}

// leave takes a client out if the node has the last word about it. The shard is locked.
func (p *presence) leave(sh *shard, at stay, by *replica, told bool) {
	r := sh.rooms[at.channel]
	if r == nil {
		return
	}
	if h, ok := r.holders[at.client]; !ok || h.copy != by {
		return
	}
	delete(r.holders, at.client)
	m := r.roster.Remove(at.client)
	if len(r.holders) == 0 {
		delete(sh.rooms, at.channel)
	}
	if told {
		p.changed(at.channel, &hub.PresenceChange{Channel: at.channel, Member: *m, Left: true})
	}
}

// Enter adds m to a channel, as a member of this node. The other nodes know soon. The error is
// always nil.
func (c *Cluster) Enter(_ context.Context, channel string, m hub.Member, joins bool) error {
	p := &c.presence
	change := &clusterpb.Change{Channel: channel, Member: &clusterpb.Member{Client: m.Client, User: m.User, Info: m.Info}, Told: joins}
	sh := p.shard(channel)
	sh.mu.Lock()
	p.own.note(change)
	p.enter(sh, channel, m, holder{told: joins})
	sh.mu.Unlock()
	c.awake()
	return nil
}

// Leave removes a client of this node from a channel. The error is always nil.
func (c *Cluster) Leave(_ context.Context, channel, client string, joins bool) error {
	p := &c.presence
	sh := p.shard(channel)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if p.own.note(&clusterpb.Change{Channel: channel, Member: &clusterpb.Member{Client: client}, Leaves: true, Told: joins}) {
		p.leave(sh, stay{channel, client}, nil, joins)
		c.awake()
	}
	return nil
}

// Members returns up to limit members of a channel in the order of Client, from behind after on,
// and whether there are more. The error is always nil.
func (c *Cluster) Members(_ context.Context, channel, after string, limit int) (members []hub.Member, more bool, err error) {
	members, more = hub.PageOf(c.presence.behind(channel, after), limit)
	return members, more, nil
}

func (p *presence) behind(channel, after string) []*hub.Member {
	sh := p.shard(channel)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if r := sh.rooms[channel]; r != nil {
		return r.roster.Behind(after)
	}
	return nil
}

// Count returns how many clients and users are in a channel. The error is always nil.
func (c *Cluster) Count(_ context.Context, channel string) (clients, users int, err error) {
	sh := c.presence.shard(channel)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if r := sh.rooms[channel]; r != nil {
		clients, users = r.roster.Count()
	}
	return clients, users, nil
}

// note has the others be told of a change, and reports whether it is one.
func (o *own) note(change *clusterpb.Change) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	at := stay{change.Channel, change.Member.Client}
	if _, there := o.stays[at]; change.Leaves && !there {
		return false
	}
	if change.Leaves {
		delete(o.stays, at)
	} else {
		o.stays[at] = change
	}
	o.count++
	o.pending = append(o.pending, change)
	return true
}

// changes returns how many changes the others have been told of.
func (p *presence) changes() uint64 {
	p.own.mu.Lock()
	defer p.own.mu.Unlock()
	return p.own.count - uint64(len(p.own.pending))
}

// wanted has all members be told.
func (p *presence) wanted() {
	p.own.mu.Lock()
	defer p.own.mu.Unlock()
	p.own.wanted = true
}

// news returns what there is to tell, one or both, or neither.
func (o *own) news() (*clusterpb.Changes, *clusterpb.Snapshot) {
	o.mu.Lock()
	defer o.mu.Unlock()
	var changes *clusterpb.Changes
	if len(o.pending) > 0 {
		changes = &clusterpb.Changes{Before: o.count - uint64(len(o.pending)), Changes: o.pending}
		o.pending = nil
	}
	if !o.wanted {
		return changes, nil
	}
	o.wanted = false
	all := &clusterpb.Snapshot{Changes: o.count}
	for change := range maps.Values(o.stays) {
		all.Members = append(all.Members, change)
	}
	return changes, all
}

// tellPresence tells the others what has changed on this node. What gets lost they ask for.
func (c *Cluster) tellPresence() {
	changes, all := c.presence.own.news()
	if changes != nil {
		c.tell(&clusterpb.Body{Kind: &clusterpb.Body_Changes{Changes: changes}})
	}
	if all != nil {
		c.tell(&clusterpb.Body{Kind: &clusterpb.Body_Snapshot{Snapshot: all}})
	}
}

// check compares a replica with how many changes its node has had.
func (r *replica) check(changes uint64) { r.whole = r.count == changes && (r.whole || changes == 0) }

// follow does what has changed on another node, unless a change before was missed.
func (p *presence) follow(r *replica, c *clusterpb.Changes) {
	if !r.whole || r.count != c.Before {
		r.whole = false
		return
	}
	r.count += uint64(len(c.Changes))
	for _, change := range c.Changes {
		p.apply(r, change)
	}
}

func (p *presence) apply(r *replica, change *clusterpb.Change) {
	if change.Member == nil {
		return
	}
	at := stay{change.Channel, change.Member.Client}
	sh := p.shard(change.Channel)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if change.Leaves {
		delete(r.stays, at)
		p.leave(sh, at, r, change.Told)
		return
	}
	if r.stays == nil {
		r.stays = make(map[stay]bool)
	}
	r.stays[at] = change.Told
	p.enter(sh, change.Channel, hub.Member{Client: at.client, User: change.Member.User, Info: change.Member.Info}, holder{r, change.Told})
}

// replace makes a replica what its node says that it is.
func (p *presence) replace(r *replica, s *clusterpb.Snapshot) {
	if r.whole && r.count >= s.Changes {
		return // somebody else has missed something
	}
	r.count, r.whole = s.Changes, true
	present := make(map[stay]bool, len(s.Members))
	for _, m := range s.Members {
		present[stay{m.Channel, m.GetMember().GetClient()}] = true
	}
	for at, told := range r.stays {
		if !present[at] {
			p.remove(r, at, told)
		}
	}
	for _, m := range s.Members {
		p.apply(r, m)
	}
}

// remove takes out who is gone without a word.
func (p *presence) remove(r *replica, at stay, told bool) {
	sh := p.shard(at.channel)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	delete(r.stays, at)
	p.leave(sh, at, r, told)
}

// drop has all members of a node leave.
func (p *presence) drop(r *replica) {
	for at, told := range r.stays {
		p.remove(r, at, told)
	}
	*r = replica{}
}
