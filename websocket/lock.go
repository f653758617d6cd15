package websocket

import "sync/atomic"

// A lock is a mutex that a caller can give up waiting for. The zero value is free.
type lock struct {
	state atomic.Int32
	wake  atomic.Pointer[chan struct{}] // made by the first that waits
}

const (
	lockFree    = iota
	lockHeld    // and nobody waits
	lockAwaited // and somebody may wait
)

// try takes l if it is free.
func (l *lock) try() bool { return l.state.CompareAndSwap(lockFree, lockHeld) }

// acquire takes l, unless one of the channels is closed first. Nil channels do not
// count. It reports whether it took l.
func (l *lock) acquire(stop1, stop2 <-chan struct{}) bool {
	if l.try() {
		return true
	}
	if l.wake.Load() == nil {
		wake := make(chan struct{}, 1)
		l.wake.CompareAndSwap(nil, &wake)
	}
	wake := *l.wake.Load()
	// Who takes l here leaves it marked as awaited: there may be others.
	for l.state.Swap(lockAwaited) != lockFree {
		select {
		case <-wake:
		case <-stop1:
			return false
		case <-stop2:
			return false
		}
	}
	return true
}

func (l *lock) release() {
	if l.state.Swap(lockFree) == lockAwaited {
		select {
		case *l.wake.Load() <- struct{}{}:
		default: // somebody is being woken already
		}
	}
}

// A signal is something that happens once. Conn.wait gives a channel for it, so
// that a connection for which nobody waits needs none.
type signal struct{ happened atomic.Bool }

// wait returns a channel that is closed once s has happened.
func (c *Conn) wait(s *signal) <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	ch := c.awaited[s]
	if ch == nil {
		ch = make(chan struct{})
		if s.happened.Load() {
			close(ch)
		}
		if c.awaited == nil {
			c.awaited = make(map[*signal]chan struct{})
		}
		c.awaited[s] = ch
	}
	return ch
}

// fire makes s happen, if it has not yet.
func (c *Conn) fire(s *signal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if ch := c.awaited[s]; !s.happened.Swap(true) && ch != nil {
		close(ch)
	}
}
