package websocket_test

import (
	"context"
	"io"
	"net"
	"testing"
	"time"

	"github.com/seed-15847954/ropewalk/websocket"
)

// A scriptedConn is a client that has sent its request and reads everything.
type scriptedConn struct {
	net.Conn
	request []byte
}

func (c *scriptedConn) Read(p []byte) (int, error) {
	if len(c.request) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.request)
	c.request = c.request[n:]
	return n, nil
}

func (*scriptedConn) Write(p []byte) (int, error)      { return len(p), nil }
func (*scriptedConn) Close() error                     { return nil }
func (*scriptedConn) RemoteAddr() net.Addr             { return scriptedAddr }
func (*scriptedConn) SetDeadline(time.Time) error      { return nil }
func (*scriptedConn) SetReadDeadline(time.Time) error  { return nil }
func (*scriptedConn) SetWriteDeadline(time.Time) error { return nil }

var scriptedAddr = &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 40000}

// BenchmarkUpgrade is what a handshake costs besides the system calls, on a
// goroutine of its own, as servers have it.
func BenchmarkUpgrade(b *testing.B) {
	opts := &websocket.AcceptOptions{Subprotocols: []string{"chat"}, OriginPatterns: []string{"https://*.example.org"}}
	request := upgradeRequest("Origin: http://example.com", "Sec-WebSocket-Protocol: chat", "User-Agent: benchmark")
	done := make(chan error)
	b.ReportAllocs()
	for b.Loop() {
		go func() {
			c, _, err := websocket.Upgrade(context.Background(), &scriptedConn{request: request}, opts)
			if err == nil {
				err = c.CloseNow()
			}
			done <- err
		}()
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
}
