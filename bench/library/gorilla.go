package library

import (
	"context"
	"net"

	"github.com/gorilla/websocket"

	"github.com/seed-15847954/ropewalk/bench/memory"
)

// Buffers have the sizes that Upgrader and Dialer choose when told none: those of
// net/http on a server and 4,096 bytes on a client. WriteMessage is the
// documented short form, and on a server without compression the one that sends
// a message in one frame without an allocation.
var gorilla = Library{
	Name:   "gorilla/websocket",
	Module: "github.com/gorilla/websocket",
	API: "`Upgrader`, `Dialer`; reads `Conn.NextReader` into a reused slice; writes `Conn.WriteMessage`; " +
		"default buffers (4,096 bytes)",
	open: openGorilla,
}

type gorillaConn struct {
	conn *websocket.Conn
	buf  []byte
}

func openGorilla(conn *memory.Conn, role Role) (c Conn, err error) {
	var inner *websocket.Conn
	if role == Server {
		w, r := conn.Request()
		inner, err = new(websocket.Upgrader).Upgrade(w, r, nil)
	} else {
		dialer := websocket.Dialer{
			NetDialContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil },
		}
		inner, _, err = dialer.Dial(memory.URL, nil)
	}
	return &gorillaConn{inner, make([]byte, 0, readBuffer)}, err
}

func (c *gorillaConn) Each(visit func(p []byte) bool) error {
	for {
		_, r, err := c.conn.NextReader()
		if err != nil {
			return err
		}
		if c.buf, err = appendAll(r, c.buf[:0]); err != nil {
			return err
		}
		if !visit(c.buf) {
			return nil
		}
	}
}

func (c *gorillaConn) Write(p []byte) error {
	return c.conn.WriteMessage(websocket.BinaryMessage, p)
}

func (c *gorillaConn) Close() { _ = c.conn.Close() }
