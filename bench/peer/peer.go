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
	Cuts    bool             // sends a large message in several frames
	Racy    bool             // has data races that its own tests turn the race detector off for
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
			Name: "ropewalk event", dir: "ropewalk", args: []string{"-api", "event"}, Ours: true, TLS: true, Deflate: complete,
			API: "`Handler` of net/http; `Conn.Handle`, `Conn.Write`; `Prepare` and `Conn.SendPrepared` for a broadcast; " +
				"windows of 12 bits for takeover",
		},
		{
			Name: "ropewalk upgrade", dir: "ropewalk", args: []string{"-api", "upgrade"}, Ours: true, TLS: true, Deflate: complete,
			API: "the same with `Upgrade` on an own listener",
		},
		{
			Name: "ropewalk blocking", dir: "ropewalk", args: []string{"-api", "blocking"}, Ours: true, TLS: true, Deflate: complete,
			API: "`Handler`; `Conn.ReadAppend` into a reused slice, `Conn.Write`; broadcast and windows the same",
		},
		{
			Name: "gorilla", dir: "gorilla", Module: "github.com/gorilla/websocket", TLS: true, Deflate: simple,
			API: "`Upgrader`; `Conn.NextReader` into a reused slice, `Conn.WriteMessage`; `PreparedMessage` for a broadcast",
		},
		{
			Name: "coder", dir: "coder", Module: "github.com/coder/websocket", TLS: true, Deflate: complete,
			API: "`Accept`; `Conn.Reader` into a reused slice, `Conn.Write`",
		},
		{
			Name: "gobwas", dir: "gobwas", Module: "github.com/gobwas/ws", TLS: true, Deflate: simple,
			API: "`Upgrader.Upgrade` on an own listener; `wsutil.Reader` over a bufio.Reader of 4,096 bytes into a " +
				"reused slice, `ws.WriteHeader`; `ws.CompileFrame` for a broadcast; `wsflate` with pooled compressors of level 1",
		},
		{
			Name: "gws", dir: "gws", Module: "github.com/lxzan/gws", TLS: true, Deflate: complete,
			API: "`Upgrader.Upgrade` in a handler that returns; `ReadLoop`, `Conn.WriteMessage`; `Broadcaster`",
		},
		{
			Name: "nbio", dir: "nbio", Module: "github.com/lesismal/nbio", Cuts: true, Racy: true, TLS: true, Deflate: simple,
			API: "`nbhttp.Engine` and `websocket.Upgrader` with their defaults; `OnMessage`, `Conn.WriteMessage`",
		},
		{
			Name: "uWebSockets", dir: "uwebsockets", Foreign: true, TLS: true, Deflate: complete,
			API: "C++ of the crate libuwebsockets-sys 0.0.10, g++ -O3 -flto, OpenSSL; `send`, `publish`; " +
				"`SHARED_COMPRESSOR`, or `DEDICATED_COMPRESSOR_8KB` and `DEDICATED_DECOMPRESSOR_4KB` for takeover",
		},
		{
			Name: "TCP, Go", dir: "rawgo", Raw: true, TLS: true, Deflate: plain,
			API: "no WebSocket: `net.Conn`, one goroutine a connection",
		},
		{
			Name: "epoll, C", dir: "epoll", Raw: true, Foreign: true, Deflate: plain,
			API: "no WebSocket: one loop that reads and writes, cc -O2",
		},
	}
}
