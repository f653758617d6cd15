//go:build !unix

package websocket

import "net"

// A parking would read without holding a buffer while it waits. There is none on
// this system.
type parking struct{}

func newParking(net.Conn) *parking { return nil }

func (*parking) fill(*input) error { return nil }
