//go:build !unix

package websocket

import (
	"io"
	"net"
)

// A socket would read without holding a buffer while it waits, and write with little
// stack. There is none on this system.
type socket struct{}

func (*socket) open(net.Conn) {}

func (*socket) ok() bool { return false }

func (*socket) fill(io.Closer, *Conn) error { return nil }

// put is write for a context that never ends.
func (t *transport) put(b []byte) (int, error) { return t.stream.Write(b) }
