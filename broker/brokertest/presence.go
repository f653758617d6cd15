package brokertest

import (
	"fmt"
	"slices"
	"sync"

	"github.com/seed-15847954/ropewalk/hub"
)

func needsPresence(c Claims) bool { return c.Presence }

var presenceChecks = []check{
	{"joins and leaves are told when they are real", needsPresence, changes},
	{"members have pages and counts", needsPresence, members},
	{"who enters again is replaced", needsPresence, replaced},
	{"presence is exact when many come and go", needsPresence, crowd},
}

func (e *env) enter(b hub.Broker, channel, client, user string, joins bool) {
	e.Helper()
	m := hub.Member{Client: client, User: user, Info: []byte(`{"of":"` + client + `"}`)}
	if err := b.(hub.PresenceKeeper).Enter(e.ctx, channel, m, joins); err != nil {
		e.Fatalf("Enter = %v", err)
	}
}

func (e *env) leave(b hub.Broker, channel, client string, joins bool) {
	e.Helper()
	if err := b.(hub.PresenceKeeper).Leave(e.ctx, channel, client, joins); err != nil {
		e.Fatalf("Leave = %v", err)
	}
}

func (e *env) members(b hub.Broker, channel, after string, limit int) ([]hub.Member, bool) {
	e.Helper()
	list, more, err := b.(hub.PresenceKeeper).Members(e.ctx, channel, after, limit)
	if err != nil {
		e.Fatalf("Members = %v", err)
	}
	return list, more
}

// counted waits until the node sees that many.
func (e *env) counted(b hub.Broker, channel string, clients, users int) {
	e.Helper()
	e.until(fmt.Sprintf("%d clients of %d users", clients, users), func() bool {
		c, u, err := b.(hub.PresenceKeeper).Count(e.ctx, channel)
		if err != nil {
			e.Fatalf("Count = %v", err)
		}
		return c == clients && u == users
	})
}

func changes(e *env) {
	here, there := e.nodes()
	channel, in := e.channel("c"), e.inbox()
	e.subscribe(there, channel, in)
	e.enter(here, channel, "a", "", true)
	e.enter(here, channel, "a", "", true) // is there
	e.enter(here, channel, "b", "", false)
	e.leave(here, channel, "b", false)
	e.leave(here, channel, "c", true) // was not there
	e.leave(here, channel, "a", true)
	e.leave(here, channel, "a", true) // is gone
	e.enter(here, e.channel("other"), "d", "", true)
	e.enter(here, channel, "end", "", true)
	want := []string{"+a", "-a", "+end"}
	e.until("the last join", func() bool { return slices.Contains(in.changed(), "+end") })
	if got := in.changed(); !slices.Equal(got, want) {
		e.Errorf("told of %q, want %q", got, want)
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, c := range in.changes {
		if c.Channel != channel || string(c.Member.Info) != `{"of":"`+c.Member.Client+`"}` {
			e.Errorf("told of %s with %q in %q", c.Member.Client, c.Member.Info, c.Channel)
		}
	}
}

func members(e *env) {
	here, there := e.nodes()
	channel := e.channel("c")
	e.counted(there, channel, 0, 0)
	if list, more := e.members(there, channel, "", 10); len(list) > 0 || more {
		e.Errorf("a channel that nobody entered has %d members", len(list))
	}
	var want []string
	for i := range 23 {
		user := fmt.Sprint("user ", i%4)
		if i%4 == 0 {
			user = "" // counts as one of its own
		}
		client := fmt.Sprintf("%02x", i*7)
		want = append(want, client)
		e.enter([]hub.Broker{here, there}[i%2], channel, client, user, true)
	}
	slices.Sort(want)
	e.counted(there, channel, 23, 6+3)
	for _, limit := range []int{1, 10, 23, 100} {
		var got []string
		for after, more := "", true; more && len(got) <= 23; {
			var list []hub.Member
			if list, more = e.members(there, channel, after, limit); len(list) == 0 || len(list) > limit {
				e.Fatalf("a page of %d holds %d members", limit, len(list))
			}
			for _, m := range list {
				got = append(got, m.Client)
				after = m.Client
			}
		}
		if !slices.Equal(got, want) {
			e.Errorf("pages of %d hold %q, want %q", limit, got, want)
		}
	}
}

func replaced(e *env) {
	here, there := e.nodes()
	channel := e.channel("c")
	e.enter(here, channel, "a", "one", true)
	e.enter(here, channel, "b", "one", true)
	e.counted(there, channel, 2, 1)
	e.enter(there, channel, "a", "two", true)
	e.counted(here, channel, 2, 2)
	if list, _ := e.members(here, channel, "", 10); len(list) != 2 || list[0].User != "two" {
		e.Errorf("members are %+v, want a as user two", list)
	}
	e.leave(here, channel, "b", true)
	e.counted(there, channel, 1, 1)
	e.leave(here, channel, "a", true)
	e.counted(there, channel, 0, 0)
}

func crowd(e *env) {
	here, there := e.nodes()
	channel, in := e.channel("c"), e.inbox()
	e.subscribe(here, channel, in)
	var all sync.WaitGroup
	for i := range 8 {
		b := []hub.Broker{here, there}[i%2].(hub.PresenceKeeper)
		all.Go(func() {
			for n := range 25 {
				m := hub.Member{Client: fmt.Sprint(i, ".", n%3), User: fmt.Sprint(i)}
				if err := b.Enter(e.ctx, channel, m, true); err != nil {
					e.Errorf("Enter = %v", err)
				}
				if n%5 == 4 {
					continue
				}
				if err := b.Leave(e.ctx, channel, m.Client, true); err != nil {
					e.Errorf("Leave = %v", err)
				}
			}
		})
	}
	all.Wait()
	e.enter(here, channel, "end", "", true)
	e.until("the last join", func() bool { return slices.Contains(in.changed(), "+end") })
	present := map[string]bool{}
	told := func() {
		clear(present)
		for _, change := range in.changed() {
			joined, client := change[0] == '+', change[1:]
			if joined == present[client] {
				e.Fatalf("told %s twice: %q", change, in.changed())
			}
			present[client] = joined
		}
		for client, is := range present {
			if !is {
				delete(present, client)
			}
		}
	}
	e.until("joins and leaves to match the members", func() bool {
		told()
		list, _ := e.members(there, channel, "", 1000)
		return len(list) == len(present) && !slices.ContainsFunc(list, func(m hub.Member) bool { return !present[m.Client] })
	})
}
