package session

import (
	"context"
	"maps"
	"slices"
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
	if t.draining {
		return ErrShutdown
	}
	if t.sessions == nil {
		t.sessions = make(map[string]*Session)
		t.clients = make(map[string]*Session)
	}
	t.sessions[s.ID()], t.clients[s.Client()] = s, s
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

// Drain closes every session with ErrShutdown, lets none in any more, and waits
// until all are removed. When ctx ends first, the connections that are left are
// ended without a word, and Drain returns the context's cause once they are removed.
func (t *Set) Drain(ctx context.Context) error {
	sessions, empty := t.drain()
	for _, s := range sessions {
		s.Close(ErrShutdown)
	}
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
	}
	for _, s := range sessions {
		s.Abort()
	}
	<-empty
	return context.Cause(ctx)
}

func (t *Set) drain() ([]*Session, <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.draining {
		t.draining = true
		t.empty = make(chan struct{})
		if len(t.sessions) == 0 {
			close(t.empty)
		}
	}
	sessions := make([]*Session, 0, len(t.sessions))
	for _, s := range t.sessions {
		sessions = append(sessions, s)
	}
	return sessions, t.empty
}

func (t *Set) signal() {
	select {
	case <-t.empty: // left empty already
	default:
		close(t.empty)
	}
}
