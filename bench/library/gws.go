package library

import (
	"github.com/lxzan/gws"

	"github.com/seed-15847954/ropewalk/bench/memory"
)

// ReadLoop with a handler is the only way to read. A message is given back to the
// library's pool by Message.Close, as its documentation asks.
var lxzan = Library{
	Name:   "lxzan/gws",
	Module: "github.com/lxzan/gws",
	API: "`Upgrader.Upgrade`, `NewClientFromConn`; reads `Conn.ReadLoop` with `OnMessage` and `Message.Close`; " +
		"writes `Conn.WriteMessage`; default buffers (4,096 bytes)",
	open: openGWS,
}

type gwsConn struct {
	gws.BuiltinEventHandler

	conn    *gws.Conn
	visit   func(p []byte) bool
	visited bool  // visit has returned false
	err     error // what ended ReadLoop before that
}

func openGWS(conn *memory.Conn, role Role) (_ Conn, err error) {
	c := new(gwsConn)
	if role == Server {
		w, r := conn.Request()
		c.conn, err = gws.NewUpgrader(c, nil).Upgrade(w, r)
	} else {
		c.conn, _, err = gws.NewClientFromConn(c, &gws.ClientOption{Addr: memory.URL}, conn)
	}
	return c, err
}

// OnMessage is called by ReadLoop.
func (c *gwsConn) OnMessage(_ *gws.Conn, m *gws.Message) {
	defer m.Close()
	if !c.visited && !c.visit(m.Bytes()) {
		c.visited = true
		c.Close() // the way out of ReadLoop
	}
}

// OnClose is called by ReadLoop before it returns.
func (c *gwsConn) OnClose(_ *gws.Conn, err error) {
	if !c.visited {
		c.err = err
	}
}

func (c *gwsConn) Each(visit func(p []byte) bool) error {
	c.visit = visit
	c.conn.ReadLoop()
	return c.err
}

func (c *gwsConn) Write(p []byte) error {
	return c.conn.WriteMessage(gws.OpcodeBinary, p)
}

func (c *gwsConn) Close() { _ = c.conn.NetConn().Close() }
