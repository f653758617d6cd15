// Package wsh2 opens WebSocket connections over HTTP/2 (RFC 8441): many of them, to
// one server, share one TCP connection. A [Transport] is a websocket.Connector:
//
//	var transport wsh2.Transport
//	defer transport.Close()
//	c, _, err := websocket.Dial(ctx, "wss://example.com/socket", &websocket.DialOptions{
//		Connector: &transport, FallBack: true,
//	})
//
// Servers need none of it: websocket.Accept takes connections over HTTP/2 from
// net/http, see package xconnect.
//
// It is a client of its own, on the frames of golang.org/x/net/http2, because the
// clients of net/http do not send :protocol.
package wsh2
