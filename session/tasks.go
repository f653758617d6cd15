package session

import (
	"context"
	"sync"
)

// tasks are the goroutines that a session has running for itself. The session's end
// waits for them.
type tasks struct {
	ctx    context.Context
	cancel context.CancelFunc
	group  sync.WaitGroup
}

// spawn runs f, whose context ends with the session. mu is held, and the session lives.
func (s *Session) spawn(f func(ctx context.Context)) {
	if s.tasks == nil {
		s.tasks = new(tasks)
		s.tasks.ctx, s.tasks.cancel = context.WithCancel(context.Background())
	}
	t := s.tasks
	t.group.Go(func() { f(t.ctx) })
}

func (t *tasks) end() {
	if t == nil {
		return
	}
	t.cancel()
	t.group.Wait()
}
