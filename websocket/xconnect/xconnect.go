// Package xconnect has the servers of net/http offer extended CONNECT over HTTP/2
// (RFC 8441), which [websocket.Accept] takes. Programs import it for that alone:
//
//	import _ "github.com/seed-15847954/ropewalk/websocket/xconnect"
//
// It adds http2xconnect=1 to the environment variable GODEBUG, unless that has the
// setting already, before net/http reads it: packages are initialised in the order
// of their import paths as soon as those are that they import, and this one imports
// os alone. Go has the setting off by default because browsers then open WebSocket
// connections over HTTP/2, and handlers that take over an HTTP/1.1 connection see
// a CONNECT that they cannot serve. So import it in programs whose WebSocket
// handlers all use Accept.
//
// [websocket.Accept]: https://pkg.go.dev/github.com/seed-15847954/ropewalk/websocket#Accept
package xconnect

import "os"

func init() {
	_ = os.Setenv("GODEBUG", with(os.Getenv("GODEBUG"))) // of a name and a value that can be set
}

// with returns the value of GODEBUG that has the setting too. Whoever has chosen a
// value for it keeps that.
func with(debug string) string {
	const name = "http2xconnect="
	for i := 0; i+len(name) <= len(debug); i++ {
		if debug[i:i+len(name)] == name && (i == 0 || debug[i-1] == ',') {
			return debug
		}
	}
	if debug == "" {
		return name + "1"
	}
	return debug + "," + name + "1"
}
