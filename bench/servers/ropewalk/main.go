// Command ropewalk is the server under load on the library of this tree, in one
// of three ways:
//
//	blocking  Handler of net/http; Read and Write in one goroutine a connection
//	event     Handler of net/http; Handle, callbacks
//	upgrade   Upgrade on an own listener; Handle, callbacks
package main

import (
	"context"
	"fmt"
	"net"
	"net/http"

	"github.com/seed-15847954/ropewalk/bench/server"
	"github.com/seed-15847954/ropewalk/websocket"
)

func main() { server.Main(serve) }

func serve(l net.Listener, o server.Options) error {
	options := &websocket.AcceptOptions{Compression: compression(o.Deflate)}
	s := &service{broadcast: o.Broadcast}
	switch o.API {
	case "blocking":
		return http.Serve(l, websocket.Handler{Options: options, Serve: s.block})
	case "event":
		return http.Serve(l, websocket.Handler{Options: options, Serve: s.handle})
	case "upgrade":
		return server.Each(l, func(conn net.Conn) {
			c, r, err := websocket.Upgrade(context.Background(), conn, options)
			if err == nil {
				s.handle(c, r)
			}
		})
	default:
		return fmt.Errorf("-api is %q", o.API)
	}
}

// compression has the histories that takeover needs be as small as uWebSockets'.
func compression(d server.Deflate) *websocket.Compression {
	switch d {
	case server.NoTakeover:
		return &websocket.Compression{NoContextTakeover: true, PeerNoContextTakeover: true}
	case server.Takeover:
		return &websocket.Compression{WindowBits: 12, PeerWindowBits: 12}
	default:
		return nil
	}
}

// A service echoes or broadcasts.
type service struct {
	broadcast bool
	group     server.Group[*websocket.Conn]
}

// block reads messages into memory that is used again.
func (s *service) block(c *websocket.Conn, _ *http.Request) {
	s.join(c)
	defer s.leave(c)
	var buf []byte
	for {
		typ, p, err := c.ReadAppend(context.Background(), buf[:0])
		if err != nil || s.received(c, typ, p) != nil {
			return
		}
		buf = p
	}
}

func (s *service) handle(c *websocket.Conn, _ *http.Request) {
	s.join(c)
	c.Handle(s)
}

// Message is called with each message of a connection that is handled.
func (s *service) Message(c *websocket.Conn, typ websocket.MessageType, p []byte) {
	_ = s.received(c, typ, p) // Closed is called if the connection breaks
}

// Closed is called when such a connection has ended.
func (s *service) Closed(c *websocket.Conn, _ error) { s.leave(c) }

func (s *service) received(c *websocket.Conn, typ websocket.MessageType, p []byte) error {
	if !s.broadcast {
		return c.Write(context.Background(), typ, p)
	}
	m, err := websocket.Prepare(typ, p)
	if err != nil {
		return err
	}
	s.group.Each(func(to *websocket.Conn) { _ = to.SendPrepared(m) }) // a broken connection's reader sees it too
	return nil
}

func (s *service) join(c *websocket.Conn) {
	if s.broadcast {
		s.group.Add(c)
	}
}

func (s *service) leave(c *websocket.Conn) {
	if s.broadcast {
		s.group.Remove(c)
	}
}
