package websocket

import (
	"time"

	"github.com/seed-15847954/ropewalk/websocket/internal/protocol"
)

// The defaults that options.go documents.
const (
	defaultMessageSize        = 1 << 20
	defaultFragments          = 1 << 17
	defaultControlRate        = 1000
	defaultMessageTime        = 5 * time.Minute
	defaultDecompressionRatio = 100
	defaultThreshold          = 64
)

func orDefault[T int | int64 | time.Duration](v, def T) T {
	if v == 0 {
		return def
	}
	return v
}

func (l Limits) receiver() protocol.Limits {
	return protocol.Limits{
		MessageSize: orDefault(l.MaxMessageSize, defaultMessageSize),
		Fragments:   orDefault(l.MaxFragments, defaultFragments),
		ControlRate: orDefault(l.MaxControlRate, defaultControlRate),
		MessageTime: orDefault(l.MaxMessageTime, defaultMessageTime),
	}
}
