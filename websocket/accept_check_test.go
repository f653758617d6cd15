package websocket_test

import (
	"testing"

	"github.com/seed-15847954/ropewalk/websocket"
)

func TestAcceptOptionsCheck(t *testing.T) {
	for _, c := range []struct {
		opts websocket.AcceptOptions
		ok   bool
	}{
		{websocket.AcceptOptions{}, true},
		{websocket.AcceptOptions{
			Subprotocols:   []string{"chat.v1"},
			OriginPatterns: []string{"https://*.example.com"},
			Compression:    &websocket.Compression{WindowBits: 9},
		}, true},
		{websocket.AcceptOptions{Subprotocols: []string{"a b"}}, false},
		{websocket.AcceptOptions{OriginPatterns: []string{"https://exa mple.com"}}, false},
		{websocket.AcceptOptions{Compression: &websocket.Compression{WindowBits: 7}}, false},
	} {
		if err := c.opts.Check(); (err == nil) != c.ok {
			t.Errorf("Check(%+v) = %v, want success %v", c.opts, err, c.ok)
		}
	}
}
