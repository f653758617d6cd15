package wsh3_test

import (
	"context"
	"crypto/tls"
	"net"
	"testing"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/seed-15847954/ropewalk/websocket"
	"github.com/seed-15847954/ropewalk/websocket/wsh3"
)

// BenchmarkEcho sends 125 bytes back and forth on the loopback interface. A packet that
// the client receives is one that the server has sent, with a message or without.
func BenchmarkEcho(b *testing.B) {
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	s := &http3.Server{TLSConfig: serverTLS(), QUICConfig: wsh3.QUICConfig(), Handler: echo(nil)}
	go s.Serve(udp)
	var conn *quic.Conn
	tr := &wsh3.Transport{
		TLSConfig: clientTLS(),
		Dial: func(ctx context.Context, address string, tc *tls.Config, qc *quic.Config) (*quic.Conn, error) {
			c, err := quic.DialAddr(ctx, address, tc, qc)
			conn = c
			return c, err
		},
	}
	c, _, err := websocket.Dial(context.Background(), "wss://"+udp.LocalAddr().String(), &websocket.DialOptions{Connector: tr})
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		c.CloseNow()
		tr.Close()
		s.Close()
		udp.Close()
	}()
	p := make([]byte, 125)
	b.ReportAllocs()
	before := conn.ConnectionStats()
	for b.Loop() {
		if err := c.Write(context.Background(), websocket.Binary, p); err != nil {
			b.Fatal(err)
		}
		if _, _, err := c.Read(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
	after := conn.ConnectionStats()
	b.ReportMetric(float64(after.PacketsReceived-before.PacketsReceived)/float64(b.N), "received-packets/op")
	b.ReportMetric(float64(after.PacketsSent-before.PacketsSent)/float64(b.N), "sent-packets/op")
}
