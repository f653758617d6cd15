package websocket_test

import (
	"context"
	"testing"

	"github.com/seed-15847954/ropewalk/websocket"
	"github.com/seed-15847954/ropewalk/websocket/frame"
	"github.com/seed-15847954/ropewalk/websocket/wstest"
)

// A loop gives the same bytes again and again, and throws away what is written.
type loop struct {
	stream []byte
	at     int
}

func (l *loop) Read(p []byte) (int, error) {
	n := copy(p, l.stream[l.at:])
	if l.at += n; l.at == len(l.stream) {
		l.at = 0
	}
	return n, nil
}

func (*loop) Write(p []byte) (int, error) { return len(p), nil }
func (*loop) Close() error                { return nil }

// What a message of 128 bytes costs beside system calls, on a server.
func BenchmarkRead(b *testing.B) {
	l := &loop{}
	for range 1000 {
		l.stream = wstest.AppendFrame(l.stream, frame.Header{Fin: true, Opcode: frame.Binary, Masked: true, Key: 0x12345678}, make([]byte, 128))
	}
	c := websocket.NewConn(l, websocket.Server, quiet())
	defer c.CloseNow()
	ctx := context.Background()
	buf := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		_, p, err := c.ReadAppend(ctx, buf)
		if err != nil || len(p) != 128 {
			b.Fatal(len(p), err)
		}
	}
}

func BenchmarkWrite(b *testing.B) {
	c := websocket.NewConn(&loop{}, websocket.Server, quiet())
	defer c.CloseNow()
	ctx := context.Background()
	p := make([]byte, 128)
	b.ReportAllocs()
	for b.Loop() {
		if err := c.Write(ctx, websocket.Binary, p); err != nil {
			b.Fatal(err)
		}
	}
}
