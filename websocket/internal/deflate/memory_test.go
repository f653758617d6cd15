package deflate

import (
	"runtime"
	"testing"
)

// A connection with takeover holds at most 8 KB between messages, both directions
// together, where the peer's window is of 12 bits.
func TestConnectionMemory(t *testing.T) {
	const connections = 200
	held := make([]any, 0, 2*connections)
	all := samples(jsonMessage, 1024)
	payload, p := make([]byte, 0, 4096), make([]byte, 0, 4096)
	before := heap()
	for range connections {
		c, d := NewCompressor(15, true), NewDecompressor(12, true)
		peer := NewCompressor(12, true)
		for _, m := range all[:10] {
			payload = c.Append(payload[:0], m)
			c.Commit(m)
			payload = peer.Append(payload[:0], m)
			peer.Commit(m)
			var err error
			if p, err = d.Append(p[:0], payload, -1, -1); err != nil {
				t.Fatal(err)
			}
		}
		held = append(held, c, d)
	}
	each := (heap() - before) / connections
	runtime.KeepAlive(held)
	runtime.KeepAlive(all)
	t.Logf("%d bytes a connection", each)
	if each > 8000 {
		t.Errorf("%d bytes a connection, want at most 8000", each)
	}
}

// heap returns the bytes in use when nothing lies about in pools any more.
func heap() int64 {
	for range 3 {
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
