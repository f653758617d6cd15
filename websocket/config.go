package websocket

import (
	"sync/atomic"
	"time"
)

// A config is what connections made with the same options have in common.
// Nobody changes it.
type config struct {
	limits       Limits
	keepalive    KeepAlive
	queue        Queue
	threshold    int
	closeTimeout time.Duration
	onPing       func(payload []byte)
	onPong       func(payload []byte)
}

// config returns the options as a config. Connections of one server mostly have the
// same ones, so the last one made is used again if it fits.
func (p *Params) config() *config {
	made := &config{
		limits:       p.Limits,
		keepalive:    p.KeepAlive,
		queue:        p.Queue,
		threshold:    orDefault(p.CompressionThreshold, defaultThreshold),
		closeTimeout: orDefault(p.CloseTimeout, 5*time.Second),
		onPing:       p.OnPing,
		onPong:       p.OnPong,
	}
	if last := lastConfig.Load(); last != nil && made.same(last) {
		return last
	}
	lastConfig.Store(made)
	return made
}

var lastConfig atomic.Pointer[config]

// same reports whether c and d are the same for certain: functions cannot be
// compared.
func (c *config) same(d *config) bool {
	for _, one := range []*config{c, d} {
		if one.onPing != nil || one.onPong != nil || one.queue.OnDrop != nil || one.queue.OnDrain != nil {
			return false
		}
	}
	return c.limits == d.limits && c.keepalive == d.keepalive && c.threshold == d.threshold &&
		c.closeTimeout == d.closeTimeout && c.queue.MaxBytes == d.queue.MaxBytes && c.queue.Overflow == d.queue.Overflow
}
