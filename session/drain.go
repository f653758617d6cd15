package session

import (
	"context"
	"math/rand/v2"
	"time"
)

// A Shutdown is the cause of a session that ends since the server is going away, with
// advice when to come back. It is ErrShutdown to [errors.Is].
type Shutdown struct {
	// After is how long the client had better stay away. It is different for each
	// client of a server, lest they all come back at once.
	After time.Duration
}

func (s *Shutdown) Error() string { return ErrShutdown.Error() }

// Is reports whether target is ErrShutdown.
func (s *Shutdown) Is(target error) bool { return target == ErrShutdown }

const (
	// returnRate is how many clients of a drained server are to come back in a second.
	returnRate = 1000

	// minReturn and maxReturn bound the time in which all come back.
	minReturn = time.Second
	maxReturn = time.Minute
)

// newShutdown returns the cause for one of n sessions.
func newShutdown(n int) *Shutdown {
	all := min(max(time.Duration(n)*time.Second/returnRate, minReturn), maxReturn)
	return &Shutdown{After: rand.N(all)}
}

// Drain closes every session with a [*Shutdown], lets none in any more, and waits
// until all are removed. When ctx ends first, the connections that are left are
// ended without a word, and Drain returns the context's cause once they are removed.
func (t *Set) Drain(ctx context.Context) error {
	sessions, empty := t.drain()
	for _, s := range sessions {
		s.Close(newShutdown(len(sessions)))
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
