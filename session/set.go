package session

import (
	"context"
	"sync"
)

// A Set holds the live sessions of a server, so that they can be counted and
// closed together. The zero value is ready for use. All methods may be called at
// once by many goroutines.
type Set struct {
	mu       sync.Mutex
	sessions map[*Session]struct{}
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
		t.sessions = make(map[*Session]struct{})
	}
	t.sessions[s] = struct{}{}
	return nil
}

// Remove takes s out of the set.
func (t *Set) Remove(s *Session) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.sessions, s)
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
	for s := range t.sessions {
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
