package websocket_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15847954/ropewalk/websocket"
	"github.com/seed-15847954/ropewalk/websocket/frame"
	"github.com/seed-15847954/ropewalk/websocket/wstest"
)

// sockets are the networks that the operating system has a part in.
var sockets = networks[2:]

// TestAnswerIsNotLost sends Close, or a violation, and 1 MiB of more bytes behind
// it. The other side returns from Read and calls CloseNow at once, as a deferred
// call would. Its Close frame arrives all the same, and an orderly end, no reset.
//
// Checks 6455-100, 6455-102, 6455-118, 6455-123, 6455-125.
func TestAnswerIsNotLost(t *testing.T) {
	for _, n := range sockets {
		for name, tc := range map[string]struct {
			frame []byte
			code  websocket.CloseCode
		}{
			"close":     {wstest.AppendFrame(nil, masked(frame.Close), []byte{0x0F, 0xA1}), 4001},
			"violation": {wstest.AppendFrame(nil, frame.Header{Fin: true, Opcode: frame.Ping}, nil), websocket.CloseProtocolError},
			"too big":   {wstest.AppendFrame(nil, masked(frame.Text), make([]byte, 1<<20+1)), websocket.CloseMessageTooBig},
		} {
			t.Run(n.name+"/"+name, func(t *testing.T) {
				checkLeaks(t)
				a, b := n.pair(t)
				peer := wstest.PeerOn(a)
				done := async(func() error {
					conn := n.conn(b, websocket.Server, quiet())
					defer conn.CloseNow()
					_, _, err := conn.Read(context.Background())
					return err
				})
				sent := async(func() error { return peer.Send(append(tc.frame, make([]byte, 1<<20)...)) })
				wantCloseFrame(t, peer, tc.code)
				if _, _, err := peer.Receive(); err != io.EOF {
					t.Errorf("Receive() behind Close = %v, want EOF", err)
				}
				wantClosed(t, "Read()", <-done, tc.code)
				if err := <-sent; err != nil {
					t.Errorf("Send(Close and 1 MiB) = %v, want nil", err)
				}
				a.Close()
			})
		}
	}
}

// TestCloseNotify checks that TLS is closed before the transport, by both roles:
// without its close_notify the end would read as io.ErrUnexpectedEOF.
//
// Checks 6455-118.
func TestCloseNotify(t *testing.T) {
	for _, role := range []websocket.Role{websocket.Server, websocket.Client} {
		t.Run(role.String(), func(t *testing.T) {
			checkLeaks(t)
			a, b := tcpPair(t)
			client, server := tlsOver(t, a, b)
			own, other, raw := net.Conn(server), net.Conn(client), a
			if role == websocket.Client {
				own, other, raw = client, server, b
			}
			conn, peer := websocket.NewConn(own, role, quiet()), wstest.PeerOn(other)
			done := async(closer(conn))
			wantCloseFrame(t, peer, websocket.CloseNormal)
			answer(peer, role, websocket.CloseNormal, "")
			if role == websocket.Client {
				other.(*tls.Conn).CloseWrite()
			}
			if _, _, err := peer.Receive(); err != io.EOF {
				t.Errorf("Receive() behind Close = %v, want EOF", err)
			}
			other.(*tls.Conn).CloseWrite()
			if err := <-done; err != nil {
				t.Errorf("Close() = %v, want nil", err)
			}
			if _, err := raw.Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("TCP behind TLS: %v, want EOF", err)
			}
		})
	}
}

// TestTransportLost cuts the transport without a Close frame.
//
// Checks 6455-122, 6455-128.
func TestTransportLost(t *testing.T) {
	for name, tc := range map[string]struct {
		network network
		cut     func(t *testing.T, peer net.Conn)
	}{
		"FIN": {networks[2], func(_ *testing.T, peer net.Conn) { peer.Close() }},
		"RST": {networks[2], func(_ *testing.T, peer net.Conn) {
			peer.(*net.TCPConn).SetLinger(0)
			peer.Close()
		}},
		"TLS cut":    {networks[4], func(_ *testing.T, peer net.Conn) { peer.(*tls.Conn).NetConn().Close() }},
		"TLS closed": {networks[4], func(_ *testing.T, peer net.Conn) { peer.Close() }},
		"unix":       {networks[3], func(_ *testing.T, peer net.Conn) { peer.Close() }},
		"memory":     {networks[0], func(_ *testing.T, peer net.Conn) { peer.Close() }},
		"bare":       {networks[1], func(_ *testing.T, peer net.Conn) { peer.Close() }},
	} {
		for _, role := range []websocket.Role{websocket.Server, websocket.Client} {
			t.Run(name+"/"+role.String(), func(t *testing.T) {
				checkLeaks(t)
				a, b := tc.network.pair(t)
				conn := tc.network.conn(b, role, quiet())
				defer conn.CloseNow()
				// The start of a message does not make a message of it.
				h := to(role, frame.Text)
				h.Fin = false
				a.Write(wstest.AppendFrame(nil, h, []byte("half a mess")))
				read := async(readErr(conn))
				tc.cut(t, a)
				closed := wantClosed(t, "Read()", <-read, websocket.CloseAbnormal)
				if !closed.Remote || closed.Err == nil {
					t.Errorf("Read() = %+v, want remote and the transport's error", closed)
				}
				if errors.Is(closed, io.EOF) && !errors.Is(closed, io.ErrUnexpectedEOF) {
					t.Errorf("Read() = %v, want no io.EOF: the end is not an orderly one", closed)
				}
				wantClosed(t, "Write()", conn.Write(t.Context(), websocket.Text, nil), websocket.CloseAbnormal)
				wantClosed(t, "Close()", conn.Close(websocket.CloseNormal, ""), websocket.CloseAbnormal)
			})
		}
	}
}

// A refusing stream has deadlines in name only.
type refusing struct{ net.Conn }

func (refusing) SetReadDeadline(time.Time) error  { return errors.New("not supported") }
func (refusing) SetWriteDeadline(time.Time) error { return errors.New("not supported") }

// TestStreamThatRefusesDeadlines checks that contexts work on such a stream.
func TestStreamThatRefusesDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.Streams()
		conn := websocket.NewConn(refusing{a}, websocket.Server, quiet())
		defer conn.CloseNow()
		peer := wstest.PeerOn(b)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, _, err := conn.Read(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Read() = %v, want DeadlineExceeded", err)
		}
		big := noise(1, 200_000)
		if err := conn.Write(ctx, websocket.Binary, big); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Write(ended) = %v, want DeadlineExceeded", err)
		}
		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := conn.Write(ctx, websocket.Binary, big); !errors.Is(err, websocket.ErrUnfinishedWrite) {
			t.Errorf("Write() = %v, want ErrUnfinishedWrite", err)
		}
		if _, p, err := peer.Receive(); err != nil || !bytes.Equal(p, big) {
			t.Errorf("Receive() = %s, %v, want the message", short(p), err)
		}
		peer.SendFrame(masked(frame.Text), []byte("still here"))
		mustRead(t, conn, websocket.Text, []byte("still here"))
	})
}

// TestStreamGetsOneClose checks that a stream is closed once, and after its last
// use for writing.
func TestStreamGetsOneClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.Streams()
		watched := &closeCounter{Conn: a}
		conn := websocket.NewConn(watched, websocket.Server, quiet())
		peer := wstest.PeerOn(b)
		done := async(closer(conn))
		wantCloseFrame(t, peer, websocket.CloseNormal)
		answer(peer, websocket.Server, websocket.CloseNormal, "")
		b.CloseWrite()
		<-done
		conn.CloseNow()
		conn.Close(websocket.CloseNormal, "")
		if watched.closed != 1 {
			t.Errorf("the stream was closed %d times, want 1", watched.closed)
		}
	})
}

type closeCounter struct {
	net.Conn
	closed int
}

func (c *closeCounter) Close() error {
	c.closed++
	return c.Conn.Close()
}
