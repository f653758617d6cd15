// Package wsh3 carries WebSocket over HTTP/3 (RFC 9220), with QUIC and HTTP/3 from
// github.com/quic-go/quic-go. Each WebSocket is one stream of a QUIC connection, and
// a *websocket.Conn like any other.
//
// A server gives its handlers to http3.Server through [Handler], or calls [Accept]
// where it calls websocket.Accept for the other versions of HTTP. A client gives a
// [Transport] to websocket.Dial, as DialOptions.Connector.
//
// Both sides want the QUIC settings of [QUICConfig]: those of quic-go itself let a few
// WebSockets that nobody reads stop all the others of their connection.
package wsh3
