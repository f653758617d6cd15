// Package wsh2 opens WebSocket connections over HTTP/2 (RFC 8441).
package wsh2

import _ "golang.org/x/net/http2" // the client is made of its Framer
