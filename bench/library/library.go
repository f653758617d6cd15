// Package library has one adapter for each library that is measured. All of
// them answer to the same interface, so that a measurement is written once.
package library

import (
	"io"

	"github.com/seed-15847954/ropewalk/bench/memory"
)

// A Role is the side of the connection that a library plays.
type Role string

// The two roles. A client masks what it sends, a server unmasks it.
const (
	Server Role = "server"
	Client Role = "client"
)

// A Conn is one open connection of a library.
type Conn interface {
	// Each hands the payloads of received messages to visit, until visit returns
	// false. A payload is valid until visit returns. Each is called once.
	Each(visit func(p []byte) bool) error

	// Write sends p as one binary message and does not change p.
	Write(p []byte) error

	// Close releases the connection without a closing handshake.
	Close()
}

// A Library is one that is measured.
type Library struct {
	Name   string
	Module string // path of its Go module
	API    string // what of it the adapter uses, for the reader of a table

	// open makes a connection of conn, with the library's own opening handshake
	// if its API cannot do without.
	open func(conn *memory.Conn, role Role) (Conn, error)
}

// Open makes an open connection of conn, which the result takes over.
func (l Library) Open(conn *memory.Conn, role Role) (Conn, error) {
	c, err := l.open(conn, role)
	conn.Opened()
	return c, err
}

// All returns every library. The first one is ours.
func All() []Library {
	return []Library{ropewalk, gorilla, coder, gobwas, lxzan}
}

// readBuffer is the capacity of the buffer that an adapter reads every message
// into, where the library lets the caller bring one.
const readBuffer = 64 << 10

// appendAll appends what r holds up to its end to b.
func appendAll(r io.Reader, b []byte) ([]byte, error) {
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if err == io.EOF {
			return b, nil
		}
		if err != nil {
			return b, err
		}
	}
}
