package websocket_test

import (
	"maps"
	"testing"

	"github.com/seed-15847954/ropewalk/websocket/internal/transcript"
)

// TestTranscripts replays the conversations of internal/transcript over a stream in
// memory, which behaves like one of TCP. Modules wsh2 and wsh3 have theirs.
func TestTranscripts(t *testing.T) {
	different := transcript.Test(t, transcript.Memory)
	if want := map[transcript.Reason]int{transcript.NoReset: 4}; !maps.Equal(different, want) {
		t.Errorf("cases that differ: %v, want %v", different, want)
	}
}
