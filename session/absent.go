package session

import (
	"slices"
	"strings"
	"time"

	"github.com/seed-15847954/ropewalk/hub"
)

// An Absent is a client that a Lobby waits for.
type Absent struct {
	Client string // its public name
	User   string
	Info   []byte     // JSON text, or empty
	Format hub.Format // of the connection that it has lost
	Since  time.Time  // when that began
}

// List returns up to limit clients that are waited for, as [Set.List] does with those that
// are there.
func (l *Lobby) List(user, after string, limit int) (absent []Absent, more bool) {
	limit = max(limit, 1)
	l.mu.Lock()
	for _, g := range l.waiting {
		if g.Client > after && (user == "" || g.User == user) {
			absent = append(absent, g.Absent)
		}
	}
	l.mu.Unlock()
	slices.SortFunc(absent, func(a, b Absent) int { return strings.Compare(a.Client, b.Client) })
	if len(absent) > limit {
		return absent[:limit], true
	}
	return absent, false
}

// Absent returns what is known of the client of that public name, if it is waited for. The
// time it takes grows with the number of those who are.
func (l *Lobby) Absent(client string) (Absent, bool) {
	if g := l.find(client); g != nil {
		return g.Absent, true
	}
	return Absent{}, false
}

// GiveUp has the client of that public name be waited for no longer: it leaves.
func (l *Lobby) GiveUp(client string) {
	g := l.find(client)
	if g == nil || l.take(g.identity.ID, g) == nil {
		return
	}
	g.timer.Stop()
	g.leave(g.channels)
}

func (l *Lobby) find(client string) *guest {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, g := range l.waiting {
		if g.Client == client {
			return g
		}
	}
	return nil
}
