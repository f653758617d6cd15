package node

import (
	"strings"
	"sync"
)

// maxLines is how many lines of a server's output are kept.
const maxLines = 100

// A tail keeps the last lines of what a process prints. Its methods may be called at
// once.
type tail struct {
	mu    sync.Mutex
	lines []string
}

func (t *tail) add(line string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.lines) == maxLines {
		t.lines = t.lines[1:]
	}
	t.lines = append(t.lines, line)
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(t.lines, "\n")
}
