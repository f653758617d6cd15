// Command gws is the server under load on lxzan/gws, in the style of its
// documentation: a handler of net/http that upgrades, and a goroutine that reads.
package main

import (
	"net/http"

	"github.com/lxzan/gws"

	"github.com/seed-15847954/ropewalk/bench/server"
)

func main() { server.Main(server.HTTP(handler)) }

func handler(o server.Options) (http.HandlerFunc, error) {
	e := &events{broadcast: o.Broadcast}
	takeover := o.Deflate == server.Takeover
	upgrader := gws.NewUpgrader(e, &gws.ServerOption{PermessageDeflate: gws.PermessageDeflate{
		Enabled:               o.Deflate != server.NoDeflate,
		ServerContextTakeover: takeover,
		ClientContextTakeover: takeover,
	}})
	return func(w http.ResponseWriter, r *http.Request) {
		c, err := upgrader.Upgrade(w, r)
		if err != nil {
			return
		}
		go c.ReadLoop() // the handler returns, so that net/http's memory is free
	}, nil
}

type events struct {
	gws.BuiltinEventHandler

	broadcast bool
	group     server.Group[*gws.Conn]
}

// OnOpen is called when a connection is open.
func (e *events) OnOpen(c *gws.Conn) {
	if e.broadcast {
		e.group.Add(c)
	}
}

// OnClose is called when it has ended.
func (e *events) OnClose(c *gws.Conn, _ error) {
	if e.broadcast {
		e.group.Remove(c)
	}
}

// OnMessage is called with each message.
func (e *events) OnMessage(c *gws.Conn, m *gws.Message) {
	defer m.Close()
	if !e.broadcast {
		_ = c.WriteMessage(m.Opcode, m.Bytes()) // a broken connection's reader sees it too
		return
	}
	b := gws.NewBroadcaster(m.Opcode, m.Bytes())
	defer b.Close()
	e.group.Each(func(to *gws.Conn) { _ = b.Broadcast(to) })
}
