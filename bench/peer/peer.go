//go:build linux

// Package peer lists the servers that are compared, and builds them.
package peer

import (
	"slices"

	"github.com/seed-15847954/ropewalk/bench/server"
)

// A Peer is a server that takes part.
type Peer struct {
	Name string   // in tables and on the command line
	dir  string   // below bench/servers
	args []string // what it is always called with

	Module string // path of its Go module, for the version
	API    string // what of the library its server uses, for the reader of a table

	Raw     bool // speaks bytes, not WebSocket
	Ours    bool
	Foreign bool             // not written in Go: needs a compiler, and has no garbage to collect
	TLS     bool             // can speak TLS
	Deflate []server.Deflate // what it can do with permessage-deflate

	// Path is the built program. Where there is none, Absent says why.
	Path   string
	Absent string
}

// Args returns the command line of the peer with more arguments.
func (p Peer) Args(more ...string) []string {
	return slices.Concat(p.args, more)
}

var (
	plain    = []server.Deflate{server.NoDeflate}
	simple   = []server.Deflate{server.NoDeflate, server.NoTakeover}
	complete = []server.Deflate{server.NoDeflate, server.NoTakeover, server.Takeover}
)

// All returns every peer. Ratios are to the first one.
func All() []Peer {
	return []Peer{
		{
			Name: "ropewalk blocking", dir: "ropewalk", args: []string{"-api", "blocking"},
			Ours: true, TLS: true, Deflate: complete,
			API: "`Accept`; `Conn.ReadAppend` and `Conn.Write`",
		},
		{
			Name: "gorilla", dir: "gorilla", Module: "github.com/gorilla/websocket", TLS: true, Deflate: simple,
			API: "`Upgrader`; `Conn.NextReader` into a reused slice, `Conn.WriteMessage`; `PreparedMessage` for a broadcast",
		},
		{
			Name: "gws", dir: "gws", Module: "github.com/lxzan/gws", TLS: true, Deflate: complete,
			API: "`Upgrader.Upgrade` in a handler that returns; `ReadLoop`, `Conn.WriteMessage`; `Broadcaster`",
		},
		{
			Name: "TCP, Go", dir: "rawgo", Raw: true, TLS: true, Deflate: plain,
			API: "no WebSocket: `net.Conn`, one goroutine a connection",
		},
	}
}
