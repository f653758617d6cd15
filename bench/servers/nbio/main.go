// Command nbio is the server under load on lesismal/nbio, in the style of its
// documentation: its own epoll loop and HTTP parser, and callbacks.
package main

import (
	"net"
	"net/http"

	"github.com/lesismal/llib/std/crypto/tls"
	"github.com/lesismal/nbio/logging"
	"github.com/lesismal/nbio/nbhttp"
	"github.com/lesismal/nbio/nbhttp/websocket"

	"github.com/seed-15847954/ropewalk/bench/server"
)

func main() { server.Main(serve) }

func serve(l net.Listener, o server.Options) error {
	if o.Deflate == server.Takeover {
		return server.ErrDeflate
	}
	logging.SetLevel(logging.LevelNone)
	config := nbhttp.Config{
		Network:                 "tcp",
		Handler:                 handler(o),
		ReleaseWebsocketPayload: true,
		Listen:                  func(string, string) (net.Listener, error) { return l, nil },
	}
	addresses := []string{l.Addr().String()}
	if o.Cert == "" {
		config.Addrs = addresses
	} else {
		pair, err := tls.LoadX509KeyPair(o.Cert, o.Cert)
		if err != nil {
			return err
		}
		l = o.Plain // the library has a TLS of its own
		config.AddrsTLS = addresses
		config.TLSConfig = &tls.Config{Certificates: []tls.Certificate{pair}}
	}
	engine := nbhttp.NewEngine(config)
	if err := engine.Start(); err != nil {
		return err
	}
	select {}
}

func handler(o server.Options) http.Handler {
	upgrader := websocket.NewUpgrader()
	upgrader.EnableCompression(o.Deflate != server.NoDeflate)
	if !o.Broadcast {
		upgrader.OnMessage(func(c *websocket.Conn, typ websocket.MessageType, p []byte) {
			_ = c.WriteMessage(typ, p) // a broken connection is closed by the library
		})
	} else {
		group := new(server.Group[*websocket.Conn])
		upgrader.OnOpen(group.Add)
		upgrader.OnClose(func(c *websocket.Conn, _ error) { group.Remove(c) })
		upgrader.OnMessage(func(_ *websocket.Conn, typ websocket.MessageType, p []byte) {
			group.Each(func(to *websocket.Conn) { _ = to.WriteMessage(typ, p) })
		})
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := upgrader.Upgrade(w, r, nil)
		if err == nil && o.Deflate != server.NoDeflate {
			c.EnableWriteCompression(true)
		}
	})
}
