//go:build linux

package poller

import (
	"sync"
	"sync/atomic"
)

// A table finds the entry of a descriptor. Reading takes no lock. It keeps the
// entries in it alive.
type table struct {
	chunks atomic.Pointer[[]*chunk]
	mu     sync.Mutex // of those that add chunks
}

const chunkSize = 512

type chunk [chunkSize]atomic.Pointer[Entry]

var entries table

// slot returns the place of fd, nil if no chunk has it.
func (t *table) slot(fd int) *atomic.Pointer[Entry] {
	chunks := t.chunks.Load()
	i := uint(fd) / chunkSize
	if chunks == nil || i >= uint(len(*chunks)) || (*chunks)[i] == nil {
		return nil
	}
	return &(*chunks)[i][uint(fd)%chunkSize]
}

// find returns the entry with the descriptor and its generation, or nil.
func (t *table) find(fd int, gen uint32) *Entry {
	slot := t.slot(fd)
	if slot == nil {
		return nil
	}
	e := slot.Load()
	if e == nil || e.gen != gen {
		return nil
	}
	return e
}

func (t *table) put(e *Entry) {
	slot := t.slot(int(e.fd))
	if slot == nil {
		t.grow(int(e.fd) / chunkSize)
		slot = t.slot(int(e.fd))
	}
	slot.Store(e)
}

func (t *table) drop(e *Entry) { t.slot(int(e.fd)).CompareAndSwap(e, nil) }

// grow adds the chunk with number i. Chunks are never taken away, so that a slot
// stays what it is.
func (t *table) grow(i int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var old []*chunk
	if p := t.chunks.Load(); p != nil {
		old = *p
	}
	if i < len(old) && old[i] != nil {
		return
	}
	chunks := make([]*chunk, max(len(old), i+1))
	copy(chunks, old)
	chunks[i] = new(chunk)
	t.chunks.Store(&chunks)
}
