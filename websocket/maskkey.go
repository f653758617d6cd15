package websocket

import (
	"crypto/rand"
	"encoding/binary"
	"sync"
)

// maskKeys holds random bytes that no mask was made of yet. Reading many at once
// spares a call to the system for each frame.
var maskKeys struct {
	sync.Mutex
	buf  [1024]byte
	left int
}

// maskKey returns a fresh mask. RFC 6455, section 5.3: it comes from a strong
// source of entropy, so that whoever chose the payloads cannot predict it.
func maskKey() uint32 {
	m := &maskKeys
	m.Lock()
	defer m.Unlock()
	if m.left == 0 {
		rand.Read(m.buf[:]) // never fails
		m.left = len(m.buf)
	}
	m.left -= 4
	key := m.buf[m.left : m.left+4]
	k := binary.LittleEndian.Uint32(key)
	clear(key)
	return k
}
