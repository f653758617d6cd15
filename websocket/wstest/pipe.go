package wstest

import "github.com/seed-15847954/ropewalk/websocket"

// Pipe returns the two ends of a connection in memory. Both have the same
// params, such as limits or Deflate. Close both ends, or call CloseNow.
func Pipe(params websocket.Params) (client, server *websocket.Conn) {
	a, b := Streams()
	return websocket.NewConn(a, websocket.Client, params), websocket.NewConn(b, websocket.Server, params)
}
