package session

import (
	"errors"
	"sync"
	"time"

	"github.com/seed-15847954/ropewalk/hub"
)

// A Lobby keeps, for a while, the identity and the presence of clients that have lost
// their connection: whoever comes back in time was never away to others. All methods
// may be called at once by many goroutines.
type Lobby struct {
	// Time is how long a client may be away. Zero means 10 seconds.
	Time time.Duration

	mu      sync.Mutex
	waiting map[string]*guest // by Identity.ID
	closed  bool
}

// A guest is a client without a connection.
type guest struct {
	Absent
	identity Identity
	hub      *hub.Hub
	channels []string // in whose presence it is
	timer    *time.Timer
}

// resumable reports whether a session that ended for cause may be resumed. A
// protocol's own causes say so by a method Resumable.
func resumable(cause error) bool {
	var r interface{ Resumable() bool }
	if errors.As(cause, &r) {
		return r.Resumable()
	}
	return !errors.Is(cause, ErrLeft) && !errors.Is(cause, ErrShutdown)
}

// wait takes over from a session whose subscriptions are gone.
func (l *Lobby) wait(s *Session, subs []*subscription) {
	g := &guest{
		Absent:   Absent{Client: s.Client(), User: s.User, Info: s.Info, Format: s.Codec.Format(), Since: s.Since()},
		identity: s.Identity, hub: s.Hub,
	}
	for _, sub := range subs {
		if sub.handOver() {
			g.channels = append(g.channels, sub.target.Channel)
		}
	}
	if !l.admit(g) {
		g.settle(nil)
	}
}

func (l *Lobby) admit(g *guest) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	if l.waiting == nil {
		l.waiting = make(map[string]*guest)
	}
	l.waiting[g.identity.ID] = g
	away := l.Time
	if away == 0 {
		away = 10 * time.Second
	}
	g.timer = time.AfterFunc(away, func() {
		if l.take(g.identity.ID, g) != nil {
			g.settle(nil)
		}
	})
	return true
}

// take returns the guest of that ID, who waits no more; only g unless that is nil.
func (l *Lobby) take(id string, g *guest) *guest {
	l.mu.Lock()
	defer l.mu.Unlock()
	found := l.waiting[id]
	if found == nil || g != nil && found != g {
		return nil
	}
	delete(l.waiting, id)
	return found
}

// settle has the client leave the channels that s, unless nil, is not subscribed to.
func (g *guest) settle(s *Session) {
	for _, channel := range g.channels {
		if s == nil || !s.subscribed(channel) {
			leave(g.hub, channel, g.identity.Client)
		}
	}
}

func (s *Session) subscribed(channel string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.subs.find(Target{Channel: channel}) != nil
}

// Resume returns the identity of a session that has lost its connection, by its ID, for
// a new session to go on with. A session of that ID that lives in sessions ends first,
// with ErrTakenOver. It blocks while that one's subscriptions are given up, a few seconds
// at most, and is not ok when there is nothing to resume.
//
// settled has to be called once: when the new session has subscribed to what it
// wants, or with nil when there is none after all. The client then leaves the
// other channels.
func (l *Lobby) Resume(sessions *Set, id string) (identity Identity, settled func(s *Session), ok bool) {
	if s := sessions.Session(id); s != nil {
		s.Close(ErrTakenOver)
		s.awaitGone()
	}
	g := l.take(id, nil)
	if g == nil {
		return Identity{}, nil, false
	}
	g.timer.Stop()
	return g.identity, g.settle, true
}

// Len returns how many clients are waited for.
func (l *Lobby) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.waiting)
}

// Close has everyone who waits leave, and whoever would come later.
func (l *Lobby) Close() {
	l.mu.Lock()
	all := l.waiting
	l.waiting, l.closed = nil, true
	l.mu.Unlock()
	for _, g := range all {
		g.timer.Stop()
		g.settle(nil)
	}
}
