// Command gorilla is the server under load on gorilla/websocket, in the style of
// its documentation: a handler of net/http that reads in a loop.
package main

import (
	"net/http"
	"sync"

	"github.com/gorilla/websocket"

	"github.com/seed-15847954/ropewalk/bench/server"
)

func main() { server.Main(server.HTTP(handler)) }

// A peer is a connection that several goroutines may write to, which the library
// leaves to its caller.
type peer struct {
	*websocket.Conn

	mu sync.Mutex
}

func handler(o server.Options) (http.HandlerFunc, error) {
	if o.Deflate == server.Takeover {
		return nil, server.ErrDeflate
	}
	upgrader := websocket.Upgrader{EnableCompression: o.Deflate != server.NoDeflate}
	var group server.Group[*peer]
	return func(w http.ResponseWriter, r *http.Request) {
		c, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer c.Close()
		if !o.Broadcast {
			echo(c)
			return
		}
		p := &peer{Conn: c}
		group.Add(p)
		defer group.Remove(p)
		broadcast(p, &group)
	}, nil
}

// echo reads into memory that is used again, which ReadMessage does not.
func echo(c *websocket.Conn) {
	var buf []byte
	for {
		typ, r, err := c.NextReader()
		if err != nil {
			return
		}
		if buf, err = server.AppendAll(r, buf[:0]); err != nil {
			return
		}
		if err := c.WriteMessage(typ, buf); err != nil {
			return
		}
	}
}

func broadcast(p *peer, group *server.Group[*peer]) {
	for {
		typ, message, err := p.ReadMessage()
		if err != nil {
			return
		}
		prepared, err := websocket.NewPreparedMessage(typ, message)
		if err != nil {
			return
		}
		group.Each(func(to *peer) {
			to.mu.Lock()
			defer to.mu.Unlock()
			_ = to.WritePreparedMessage(prepared) // a broken connection's reader sees it too
		})
	}
}
