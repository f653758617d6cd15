package websocket

import (
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

func (p *Params) config() *config {
	return &config{
		limits:       p.Limits,
		keepalive:    p.KeepAlive,
		queue:        p.Queue,
		threshold:    orDefault(p.CompressionThreshold, defaultThreshold),
		closeTimeout: orDefault(p.CloseTimeout, 5*time.Second),
		onPing:       orIgnore(p.OnPing),
		onPong:       orIgnore(p.OnPong),
	}
}

func orIgnore(f func([]byte)) func([]byte) {
	if f == nil {
		return func([]byte) {}
	}
	return f
}
