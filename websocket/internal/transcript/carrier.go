package transcript

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/seed-15847954/ropewalk/websocket"
	"github.com/seed-15847954/ropewalk/websocket/wstest"
)

// A Carrier is what connections are carried by.
type Carrier struct {
	// Open opens a connection of the role, with the params of one that NewConn makes, and
	// returns it with its peer's end of the stream. It calls application with the
	// connection in a goroutine of its own. It is called inside a bubble of
	// testing/synctest, and what it opens ends with t.
	Open func(t *testing.T, role websocket.Role, params websocket.Params, application func(*websocket.Conn)) (*websocket.Conn, Stream)

	// Reset reports whether err, of reading from the peer's end, is the reset that is due
	// when a connection of the role is given up. Nil stands for the reason NoReset.
	Reset func(role websocket.Role, err error) bool

	// Reasons returns what makes connections of the role different. Nil means nothing.
	Reasons func(role websocket.Role) []Reason

	// Slack is how much time may pass until all that a step causes has happened. Zero
	// means none: that carrier hands bytes on at once, however many they are.
	Slack time.Duration
}

func (c Carrier) reasons(role websocket.Role) []Reason {
	if c.Reasons == nil {
		return nil
	}
	return c.Reasons(role)
}

// A Stream is the peer's end. One goroutine reads and one writes. Close may be called
// more than once.
type Stream interface {
	io.ReadWriteCloser
	CloseWrite() error
}

// Memory is a stream in memory, which behaves like one of TCP.
var Memory = Carrier{
	Open: func(_ *testing.T, role websocket.Role, params websocket.Params, application func(*websocket.Conn)) (*websocket.Conn, Stream) {
		conn, peer := wstest.NewPeer(role, params)
		go application(conn)
		return conn, peer.Stream().(*wstest.Stream)
	},
	Reasons: func(websocket.Role) []Reason { return []Reason{NoReset} },
}

// AcceptOptions are those with which Accept makes the connection that NewConn makes
// with params, if the client offers [Extensions].
func AcceptOptions(params websocket.Params) *websocket.AcceptOptions {
	opts := &websocket.AcceptOptions{Limits: params.Limits, KeepAlive: params.KeepAlive}
	if d := params.Deflate; d != nil {
		opts.Compression = &websocket.Compression{
			Threshold:             params.CompressionThreshold,
			NoContextTakeover:     d.ServerNoContextTakeover,
			PeerNoContextTakeover: d.ClientNoContextTakeover,
		}
	}
	return opts
}

// DialOptions are those with which Dial makes the connection that NewConn makes with
// params, if the server answers with [Extensions].
func DialOptions(params websocket.Params, connector websocket.Connector) *websocket.DialOptions {
	opts := &websocket.DialOptions{Limits: params.Limits, KeepAlive: params.KeepAlive, Connector: connector}
	if d := params.Deflate; d != nil {
		opts.Compression = &websocket.Compression{
			Threshold:             params.CompressionThreshold,
			NoContextTakeover:     d.ClientNoContextTakeover,
			PeerNoContextTakeover: d.ServerNoContextTakeover,
		}
	}
	return opts
}

// Extensions is the value of Sec-WebSocket-Extensions by which a peer agrees to
// params, or "".
func Extensions(params websocket.Params) string {
	d := params.Deflate
	if d == nil {
		return ""
	}
	names := []string{"permessage-deflate"}
	if d.ServerNoContextTakeover {
		names = append(names, "server_no_context_takeover")
	}
	if d.ClientNoContextTakeover {
		names = append(names, "client_no_context_takeover")
	}
	return strings.Join(names, "; ")
}
