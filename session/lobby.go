package session

import (
	"context"
	"errors"
	"sync"
	"time"
)

// A Lobby keeps, for a while, the presence of clients that have lost their
// connection: whoever comes back in time was never away to others. All methods may be
// called at once by many goroutines.
type Lobby struct {
	// Time is how long a client may be away.
	Time time.Duration

	mu      sync.Mutex
	waiting map[string]*waiting // by Identity.ID
}

// A waiting client has no connection.
type waiting struct {
	identity Identity
	session  *Session        // the one that ended
	subs     []*subscription // those that entered a channel's presence
	timer    *time.Timer
}

// resumable reports whether a session that ended for cause may be resumed.
func resumable(cause error) bool {
	return !errors.Is(cause, ErrLeft) && !errors.Is(cause, ErrShutdown)
}

// wait takes over from a session that has ended: it leaves the hub at once, and
// presence when the client does not come back in time.
func (l *Lobby) wait(s *Session, subs []*subscription) {
	w := &waiting{identity: s.Identity, session: s}
	for _, sub := range subs {
		s.leaveHub(context.Background(), sub)
		w.subs = append(w.subs, sub)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting == nil {
		l.waiting = make(map[string]*waiting)
	}
	l.waiting[w.identity.ID] = w
	w.timer = time.AfterFunc(l.Time, func() { l.giveUp(w) })
}

// giveUp has w leave, unless somebody has taken it meanwhile.
func (l *Lobby) giveUp(w *waiting) {
	l.mu.Lock()
	still := l.waiting[w.identity.ID] == w
	if still {
		delete(l.waiting, w.identity.ID)
	}
	l.mu.Unlock()
	if still {
		w.leave(func(*subscription) bool { return false })
	}
}

func (l *Lobby) take(id string) *waiting {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.waiting[id]
	delete(l.waiting, id)
	return w
}

// leave takes the client out of the presence of the channels that keep says false of.
func (w *waiting) leave(keep func(sub *subscription) bool) {
	for _, sub := range w.subs {
		if !keep(sub) {
			w.session.leavePresence(context.Background(), sub)
		}
	}
}

// Resume returns the identity of a session that has ended and may be resumed, by its
// ID, and what to call once the new session of that identity has subscribed to what
// it wants: the client then leaves the other channels. A session of that ID that lives in
// sessions ends first. It blocks a few seconds at most, and is not ok when
// there is nothing to resume.
func (l *Lobby) Resume(sessions *Set, id string) (identity Identity, settled func(s *Session), ok bool) {
	if s := sessions.Session(id); s != nil {
		s.Close(ErrTakenOver)
		<-s.Done()
	}
	w := l.take(id)
	if w == nil {
		return Identity{}, nil, false
	}
	w.timer.Stop()
	return w.identity, func(s *Session) {
		w.leave(func(sub *subscription) bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.subs.find(sub.target) != nil
		})
	}, true
}

// Close has everyone who waits leave at once.
func (l *Lobby) Close() {
	l.mu.Lock()
	all := l.waiting
	l.waiting = nil
	l.mu.Unlock()
	for _, w := range all {
		w.timer.Stop()
		w.leave(func(*subscription) bool { return false })
	}
}
