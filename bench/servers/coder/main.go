// Command coder is the server under load on coder/websocket, in the style of its
// documentation: a handler of net/http that reads in a loop.
package main

import (
	"context"
	"net/http"

	"github.com/coder/websocket"

	"github.com/seed-15847954/ropewalk/bench/server"
)

func main() { server.Main(server.HTTP(handler)) }

func handler(o server.Options) (http.HandlerFunc, error) {
	options := &websocket.AcceptOptions{CompressionMode: map[server.Deflate]websocket.CompressionMode{
		server.NoDeflate:  websocket.CompressionDisabled,
		server.NoTakeover: websocket.CompressionNoContextTakeover,
		server.Takeover:   websocket.CompressionContextTakeover,
	}[o.Deflate]}
	var group server.Group[*websocket.Conn]
	return func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, options)
		if err != nil {
			return
		}
		defer c.CloseNow()
		c.SetReadLimit(64 << 20)
		if !o.Broadcast {
			each(c, func(typ websocket.MessageType, p []byte) error { return c.Write(context.Background(), typ, p) })
			return
		}
		group.Add(c)
		defer group.Remove(c)
		each(c, func(typ websocket.MessageType, p []byte) error {
			group.Each(func(to *websocket.Conn) {
				_ = to.Write(context.Background(), typ, p) // a broken connection's reader sees it too
			})
			return nil
		})
	}, nil
}

// each reads messages into memory that is used again, which Conn.Read does not.
func each(c *websocket.Conn, visit func(typ websocket.MessageType, p []byte) error) {
	var buf []byte
	for {
		typ, r, err := c.Reader(context.Background())
		if err != nil {
			return
		}
		if buf, err = server.AppendAll(r, buf[:0]); err != nil {
			return
		}
		if err := visit(typ, buf); err != nil {
			return
		}
	}
}
