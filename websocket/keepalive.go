package websocket

import (
	"fmt"
	"os"
	"sync"
	"time"
)

// A keepalive pings a peer that is silent and gives up one that stays silent. The
// zero value does nothing.
type keepalive struct {
	// Constant once started; c is nil if it is off.
	c                 *Conn
	interval, timeout time.Duration

	mu      sync.Mutex
	timer   *time.Timer
	heard   time.Time     // when bytes last came
	pinged  time.Time     // when the Ping since then was sent; zero: none was
	waiting time.Time     // since when a reader has been there; zero: none is
	watched time.Duration // how long earlier readers were there since pinged
	stopped bool
}

// keepAliveInterval returns KeepAlive.Interval, not positive if it is off.
func (c *Conn) keepAliveInterval() time.Duration {
	interval := c.cfg.keepalive.Interval
	if interval == 0 && c.role == Server {
		return 30 * time.Second
	}
	return interval
}

// start has c pinged.
func (k *keepalive) start(c *Conn) {
	interval := c.keepAliveInterval()
	if interval <= 0 {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.c, k.interval, k.timeout = c, interval, orDefault(c.cfg.keepalive.Timeout, 30*time.Second)
	k.heard = time.Now()
	k.timer = time.AfterFunc(interval, k.tick)
}

// alive notes that the reader has received bytes.
func (k *keepalive) alive(now time.Time) {
	if k.c == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.pinged.IsZero() && !k.stopped {
		k.timer.Reset(k.interval) // it was set for the answer, which may be due much later
	}
	k.heard, k.pinged, k.waiting, k.watched = now, time.Time{}, time.Time{}, 0
}

// watching notes that a reader begins to wait for bytes, or gives up.
func (k *keepalive) watching(on bool) {
	if k.c == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	k.watched = k.watch(now)
	k.waiting = time.Time{}
	if on {
		k.waiting = now
	}
}

// watch returns how long readers have waited in vain since the Ping.
func (k *keepalive) watch(now time.Time) time.Duration {
	if k.pinged.IsZero() || k.waiting.IsZero() {
		return k.watched
	}
	since := k.waiting
	if k.pinged.After(since) {
		since = k.pinged
	}
	return k.watched + now.Sub(since)
}

func (k *keepalive) stop() {
	if k.c == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.stopped = true
	k.timer.Stop()
}

// tick does what is due and sets the timer for what is due next.
func (k *keepalive) tick() {
	ping, giveUp, silence := k.due(time.Now())
	if ping {
		k.c.queuePing()
	}
	if giveUp {
		k.c.silent(silence)
	}
}

// silent gives up a peer from which nothing came for so long.
func (c *Conn) silent(silence time.Duration) {
	c.fail(&CloseError{
		Code: CloseAbnormal,
		Err:  fmt.Errorf("no sign of life for %v: %w", silence, os.ErrDeadlineExceeded),
	})
	c.end()
}

func (k *keepalive) due(now time.Time) (ping, giveUp bool, silence time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	silence = now.Sub(k.heard)
	switch {
	case k.stopped:
		return false, false, 0
	case k.pinged.IsZero() && silence < k.interval:
		k.timer.Reset(k.interval - silence)
		return false, false, silence
	case k.pinged.IsZero():
		k.pinged = now
		k.timer.Reset(k.wait(0))
		return true, false, silence
	}
	// Without a reader, or before one had the time to see the answer, silence
	// proves nothing.
	watched := k.watch(now)
	if k.timeout < 0 || watched < k.timeout {
		k.timer.Reset(k.wait(watched))
		return false, false, silence
	}
	return false, true, silence
}

// wait is the time until the next look after a Ping.
func (k *keepalive) wait(watched time.Duration) time.Duration {
	switch {
	case k.timeout < 0:
		return k.interval
	case k.waiting.IsZero(): // nobody is there to watch
		return k.timeout
	}
	return k.timeout - watched
}
