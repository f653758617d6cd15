// Command rawgo is the server under load without WebSocket: bytes over TCP, one
// goroutine a connection. What it costs, a library on net.Conn cannot go below,
// unless it saves system calls.
package main

import (
	"net"

	"github.com/seed-15847954/ropewalk/bench/server"
)

func main() { server.Main(serve) }

func serve(l net.Listener, o server.Options) error {
	if o.Deflate != server.NoDeflate {
		return server.ErrDeflate
	}
	var group server.Group[net.Conn]
	return server.Each(l, func(c net.Conn) {
		defer c.Close()
		if !o.Broadcast {
			each(c, func(p []byte) error {
				_, err := c.Write(p)
				return err
			})
			return
		}
		group.Add(c)
		defer group.Remove(c)
		each(c, func(p []byte) error {
			group.Each(func(to net.Conn) { _, _ = to.Write(p) }) // a broken connection's reader sees it too
			return nil
		})
	})
}

// each reads into a buffer that grows when it has been full.
func each(c net.Conn, visit func(p []byte) error) {
	buf := make([]byte, 2048)
	for {
		n, err := c.Read(buf)
		if err != nil || visit(buf[:n]) != nil {
			return
		}
		if n == len(buf) && n < 256<<10 {
			buf = make([]byte, 4*n)
		}
	}
}
