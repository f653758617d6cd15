package session

import (
	"maps"
	"slices"
	"strings"
	"sync"
)

// A Set holds the live sessions of a server, so that they can be counted and
// closed together. The zero value is ready for use. All methods may be called at
// once by many goroutines.
type Set struct {
	mu       sync.Mutex
	sessions map[string]*Session // by ID
	clients  map[string]*Session // by Client
	draining bool
	empty    chan struct{} // closed when the last session has left a draining set
}

// Add puts s into the set. It returns ErrShutdown when the set is being drained.
// Whoever adds a session removes it when everything about it has ended.
func (t *Set) Add(s *Session) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.add(s); err != nil {
		return err
	}
	t.clients[s.Client()] = s
	return nil
}

// AddStranger is Add for a session that is not yet anyone's: it is counted and drained,
// but not found by a public name.
func (t *Set) AddStranger(s *Session) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.add(s)
}

func (t *Set) add(s *Session) error {
	if t.draining {
		return ErrShutdown
	}
	if t.sessions == nil {
		t.sessions = make(map[string]*Session)
		t.clients = make(map[string]*Session)
	}
	t.sessions[s.ID()] = s
	return nil
}

// Remove takes s out of the set.
func (t *Set) Remove(s *Session) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.sessions[s.ID()] == s {
		delete(t.sessions, s.ID())
	}
	if t.clients[s.Client()] == s {
		delete(t.clients, s.Client())
	}
	if t.draining && len(t.sessions) == 0 {
		t.signal()
	}
}

// Len returns the number of sessions.
func (t *Set) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.sessions)
}

// Session returns the live session of that secret ID, or nil.
func (t *Set) Session(id string) *Session {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.sessions[id]
}

// Client returns the live session of that public name, or nil.
func (t *Set) Client(name string) *Session {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.clients[name]
}

// All returns the live sessions in the order of their public names.
func (t *Set) All() []*Session {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make([]*Session, 0, len(t.clients))
	for _, name := range slices.Sorted(maps.Keys(t.clients)) {
		all = append(all, t.clients[name])
	}
	return all
}

// List returns up to limit live sessions in the order of their public names, from behind
// after on, and whether there are more. A user, unless empty, leaves out those of
// others. The time it takes grows with the number of all sessions.
func (t *Set) List(user, after string, limit int) (sessions []*Session, more bool) {
	limit = max(limit, 1)
	t.mu.Lock()
	for name, s := range t.clients {
		if name > after && (user == "" || s.User == user) {
			sessions = append(sessions, s)
		}
	}
	t.mu.Unlock()
	slices.SortFunc(sessions, func(a, b *Session) int { return strings.Compare(a.Client(), b.Client()) })
	if len(sessions) > limit {
		return sessions[:limit], true
	}
	return sessions, false
}
