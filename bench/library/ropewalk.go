package library

import (
	"context"

	"github.com/seed-15847954/ropewalk/bench/memory"
	"github.com/seed-15847954/ropewalk/websocket"
)

var ropewalk = Library{
	Name:   "ropewalk",
	Module: "github.com/seed-15847954/ropewalk/websocket",
	API: "`NewConn`; reads `Conn.ReadAppend` into a reused slice; writes `Conn.Write`; " +
		"context.Background(), default limits and keepalive",
	open: openRopewalk,
}

type ropewalkConn struct {
	conn *websocket.Conn
	buf  []byte
}

func openRopewalk(conn *memory.Conn, role Role) (Conn, error) {
	conn.Opened() // NewConn may start to read at once
	side := websocket.Server
	if role == Client {
		side = websocket.Client
	}
	return &ropewalkConn{
		conn: websocket.NewConn(conn, side, websocket.Params{}),
		buf:  make([]byte, 0, readBuffer),
	}, nil
}

func (c *ropewalkConn) Each(visit func(p []byte) bool) error {
	ctx := context.Background()
	for {
		_, p, err := c.conn.ReadAppend(ctx, c.buf[:0])
		if err != nil {
			return err
		}
		c.buf = p
		if !visit(p) {
			return nil
		}
	}
}

func (c *ropewalkConn) Write(p []byte) error {
	return c.conn.Write(context.Background(), websocket.Binary, p)
}

func (c *ropewalkConn) Close() { _ = c.conn.CloseNow() }
