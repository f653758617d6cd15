//go:build interop

package interop

import (
	"fmt"
	"strings"
	"testing"

	"github.com/seed-15847954/ropewalk/websocket"
)

// An agreement is one way to set up compression on both sides, and parameters
// that the answer of the opening handshake must then name, or must not.
type agreement struct {
	name   string
	peer   *deflate
	ours   *websocket.Compression
	answer []string
	absent []string
}

// agreements are played in both roles.
func agreements() []agreement {
	all := []agreement{
		{name: "no compression"},
		{name: "ours declined", ours: &websocket.Compression{}},
		{name: "theirs declined", peer: &deflate{}},
		{
			name: "context takeover", peer: &deflate{}, ours: &websocket.Compression{},
			answer: []string{"permessage-deflate"},
			absent: []string{"no_context_takeover"},
		},
		{
			name: "server_no_context_takeover", peer: &deflate{ServerNoTakeover: true}, ours: &websocket.Compression{},
			answer: []string{"server_no_context_takeover"},
		},
		{
			name: "both no_context_takeover", peer: &deflate{ServerNoTakeover: true, ClientNoTakeover: true}, ours: &websocket.Compression{},
			answer: []string{"server_no_context_takeover"},
		},
		{
			name: "no_context_takeover asked for by us", peer: &deflate{},
			ours:   &websocket.Compression{NoContextTakeover: true, PeerNoContextTakeover: true},
			answer: []string{"permessage-deflate"},
		},
		{
			name: "every message compressed", peer: &deflate{}, ours: &websocket.Compression{Threshold: -1},
			answer: []string{"permessage-deflate"},
		},
	}
	for bits := 9; bits <= 15; bits++ {
		all = append(all, agreement{
			name: fmt.Sprintf("window bits %d", bits), peer: &deflate{ServerBits: bits, ClientBits: bits}, ours: &websocket.Compression{},
			answer: []string{fmt.Sprintf("server_max_window_bits=%d", bits)},
		})
	}
	return all
}

// check looks at the extensions that the answer names.
func (a agreement) check(t *testing.T, extensions string) {
	t.Helper()
	if len(a.answer) == 0 && extensions != "" {
		t.Errorf("the answer names %q, want no extension", extensions)
	}
	for _, want := range a.answer {
		if !strings.Contains(extensions, want) {
			t.Errorf("the answer names %q, want %q in it", extensions, want)
		}
	}
	for _, bad := range a.absent {
		if strings.Contains(extensions, bad) {
			t.Errorf("the answer names %q, want no %q in it", extensions, bad)
		}
	}
}
