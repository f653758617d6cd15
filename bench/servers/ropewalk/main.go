// Command ropewalk is the server under load on the library of this tree.
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
	options := new(websocket.AcceptOptions)
	if o.Deflate != server.NoDeflate {
		options.Compression = compression(o.Deflate == server.NoTakeover)
	}
	switch o.API {
	case "blocking":
		return blocking(l, options, o.Broadcast)
	case "event":
		return event(l, options, o.Broadcast)
	case "event-http":
		return eventHTTP(l, options, o.Broadcast)
	default:
		return fmt.Errorf("-api is %q", o.API)
	}
}

func compression(noTakeover bool) *websocket.Compression {
	return &websocket.Compression{NoContextTakeover: noTakeover, PeerNoContextTakeover: noTakeover}
}

// blocking reads in one goroutine a connection, which net/http has let go.
func blocking(l net.Listener, options *websocket.AcceptOptions, broadcast bool) error {
	var group server.Group[*websocket.Conn]
	serve := func(c *websocket.Conn, _ *http.Request) {
		each(c, func(typ websocket.MessageType, p []byte) error { return c.Write(context.Background(), typ, p) })
	}
	if broadcast {
		serve = func(c *websocket.Conn, _ *http.Request) {
			group.Add(c)
			defer group.Remove(c)
			each(c, func(typ websocket.MessageType, p []byte) error { return toAll(&group, typ, p) })
		}
	}
	return http.Serve(l, websocket.Handler{Options: options, Serve: serve})
}

// toAll sends a message to every connection of the group.
func toAll(group *server.Group[*websocket.Conn], typ websocket.MessageType, p []byte) error {
	m, err := websocket.Prepare(typ, p)
	if err != nil {
		return err
	}
	group.Each(func(to *websocket.Conn) {
		_ = to.SendPrepared(m) // the end of a connection is seen by who reads from it
	})
	return nil
}

// each reads messages into memory that is used again.
func each(c *websocket.Conn, visit func(typ websocket.MessageType, p []byte) error) {
	var buf []byte
	for {
		typ, p, err := c.ReadAppend(context.Background(), buf[:0])
		if err != nil || visit(typ, p) != nil {
			return
		}
		buf = p
	}
}

// event has loops call a handler, on connections that are taken from the listener.
func event(l net.Listener, options *websocket.AcceptOptions, broadcast bool) error {
	open := opener(broadcast)
	return server.Each(l, func(stream net.Conn) {
		if c, _, err := websocket.Upgrade(context.Background(), stream, options); err == nil {
			open(c)
		}
	})
}

// eventHTTP is event on connections that net/http has accepted.
func eventHTTP(l net.Listener, options *websocket.AcceptOptions, broadcast bool) error {
	open := opener(broadcast)
	return http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c, err := websocket.Accept(w, r, options); err == nil {
			open(c)
		}
	}))
}

// opener returns what hands a connection over to its handler.
func opener(broadcast bool) func(c *websocket.Conn) {
	if !broadcast {
		return func(c *websocket.Conn) { c.Handle(echo{}) }
	}
	all := &everyone{}
	return func(c *websocket.Conn) {
		all.group.Add(c)
		c.Handle(all)
	}
}

// echo sends every message back.
type echo struct{}

func (echo) Message(c *websocket.Conn, typ websocket.MessageType, p []byte) {
	_ = c.Write(context.Background(), typ, p) // Closed tells
}

func (echo) Closed(*websocket.Conn, error) {}

// everyone sends every message to all connections.
type everyone struct {
	group server.Group[*websocket.Conn]
}

func (e *everyone) Message(_ *websocket.Conn, typ websocket.MessageType, p []byte) {
	_ = toAll(&e.group, typ, p)
}

func (e *everyone) Closed(c *websocket.Conn, _ error) { e.group.Remove(c) }
