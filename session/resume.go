package session

import (
	"errors"
	"slices"
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

	mu        sync.Mutex
	waiting   map[string]*guest        // by Identity.ID
	returning map[string]chan struct{} // by the same: those who have come back and are not settled
	closed    bool
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
		g.leave(g.channels)
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
			g.leave(g.channels)
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

// leave has the client leave channels.
func (g *guest) leave(channels []string) {
	for _, channel := range channels {
		leave(g.hub, channel, g.identity.Client)
	}
}

// unwanted returns those of channels that s is not subscribed to. When s has ended nobody
// knows.
func (s *Session) unwanted(channels []string) (unwanted []string, ended bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, channel := range channels {
		if s.subs.find(Target{Channel: channel}) == nil {
			unwanted = append(unwanted, channel)
		}
	}
	return unwanted, s.cause != nil
}

// Resume returns the identity of a session that has lost its connection, by its ID, for
// a new session to go on with. A session of that ID that lives in sessions ends first,
// with ErrTakenOver. It blocks while that one's subscriptions are given up and settled, a few
// seconds at most, and is not ok when there is nothing to resume.
//
// settled has to be called once: when the new session has subscribed to what it
// wants, or with nil when there is none after all. The client then leaves the
// other channels; unless the new session has lost its connection meanwhile, and the client
// is away still.
func (l *Lobby) Resume(sessions *Set, id string) (identity Identity, settled func(s *Session), ok bool) {
	for {
		if s := sessions.Session(id); s != nil {
			s.Close(ErrTakenOver)
			s.awaitGone()
		}
		g, busy := l.claim(id)
		if busy == nil && g == nil {
			return Identity{}, nil, false
		}
		if busy == nil {
			g.timer.Stop()
			return g.identity, func(s *Session) { l.settle(g, s) }, true
		}
		<-busy // whoever comes back now waits for who did before
	}
}

// claim takes the guest of that ID, who is returning from then on. Where one is already,
// busy is closed when that one is settled.
func (l *Lobby) claim(id string) (g *guest, busy <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if busy := l.returning[id]; busy != nil {
		return nil, busy
	}
	if g = l.waiting[id]; g == nil {
		return nil, nil
	}
	delete(l.waiting, id)
	if l.returning == nil {
		l.returning = make(map[string]chan struct{})
	}
	l.returning[id] = make(chan struct{})
	return g, nil
}

// settle ends the return of g as s, which is nil when there is none.
func (l *Lobby) settle(g *guest, s *Session) {
	defer l.settled(g.identity.ID)
	if s == nil {
		g.leave(g.channels)
		return
	}
	unwanted, ended := s.unwanted(g.channels)
	if ended {
		s.awaitGone()
		if l.keep(g) {
			return
		}
	}
	g.leave(unwanted)
}

func (l *Lobby) settled(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.returning[id])
	delete(l.returning, id)
}

// keep has the same client, if it is waited for again, be present where g was.
func (l *Lobby) keep(g *guest) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	again := l.waiting[g.identity.ID]
	if again == nil {
		return false
	}
	for _, channel := range g.channels {
		if !slices.Contains(again.channels, channel) {
			again.channels = append(again.channels, channel)
		}
	}
	return true
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
		g.leave(g.channels)
	}
}
