package hub

import (
	"slices"
	"strings"
)

// A Roster is the members of one channel, for brokers that keep presence in the memory of the
// process. The zero value is empty. Its methods are not called at once.
type Roster struct {
	clients map[string]*Member // pointers, for a map has room for eight at least
	users   map[string]int     // clients of each user that has a name
	named   int                // clients that have a user
}

// Add adds m, or replaces the member of the same Client. It reports whether there was none.
func (r *Roster) Add(m Member) bool {
	known := r.Remove(m.Client) != nil
	if r.clients == nil {
		r.clients = make(map[string]*Member)
	}
	r.clients[m.Client] = &m
	if m.User != "" {
		if r.users == nil {
			r.users = make(map[string]int)
		}
		r.users[m.User]++
		r.named++
	}
	return !known
}

// Remove takes a client out and returns what was said about it, nil if it is not there.
func (r *Roster) Remove(client string) *Member {
	m := r.clients[client]
	if m == nil {
		return nil
	}
	delete(r.clients, client)
	if m.User != "" {
		r.named--
		if r.users[m.User]--; r.users[m.User] == 0 {
			delete(r.users, m.User)
		}
	}
	return m
}

// Count returns how many clients there are, and how many users they are; clients without a
// user count as one user each.
func (r *Roster) Count() (clients, users int) {
	return len(r.clients), len(r.clients) - r.named + len(r.users)
}

// Behind returns those behind after, in no order. Nobody changes them.
func (r *Roster) Behind(after string) []*Member {
	var behind []*Member
	for client, m := range r.clients {
		if client > after {
			behind = append(behind, m)
		}
	}
	return behind
}

// PageOf returns the first members of a list in the order of Client, up to limit and at least
// one, and whether there are more. It sorts the list.
func PageOf(members []*Member, limit int) (page []Member, more bool) {
	slices.SortFunc(members, func(a, b *Member) int { return strings.Compare(a.Client, b.Client) })
	n := min(max(limit, 1), len(members))
	for _, m := range members[:n] {
		page = append(page, *m)
	}
	return page, n < len(members)
}
