package wsh2_test

import (
	"testing"

	"github.com/seed-15847954/ropewalk/websocket"
	"github.com/seed-15847954/ropewalk/websocket/wsh2"
)

// BenchmarkEcho is a message there and back on loopback, without TLS, by the version
// of HTTP that the WebSocket was opened over. Both ends are counted.
func BenchmarkEcho(b *testing.B) {
	s := newServer(nil, echo)
	s.Config.Protocols = bothProtocols()
	s.Start()
	defer s.Close()
	transport := &wsh2.Transport{}
	defer transport.Close()
	for name, connector := range map[string]websocket.Connector{"HTTP1": nil, "HTTP2": transport} {
		for _, size := range []int{125, 16 << 10} {
			b.Run(name+map[int]string{125: "/125B", 16 << 10: "/16KiB"}[size], func(b *testing.B) {
				c, _, err := websocket.Dial(b.Context(), s.wsURL(), &websocket.DialOptions{Connector: connector})
				if err != nil {
					b.Fatal(err)
				}
				defer c.CloseNow()
				p := make([]byte, size)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					if err := c.Write(b.Context(), websocket.Binary, p); err != nil {
						b.Fatal(err)
					}
					if _, _, err := c.Read(b.Context()); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
