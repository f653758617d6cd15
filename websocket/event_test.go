package websocket_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-15847954/ropewalk/websocket"
	"github.com/seed-15847954/ropewalk/websocket/frame"
	"github.com/seed-15847954/ropewalk/websocket/wstest"
)

// An events is an EventHandler made of functions; nil ones do nothing.
type events struct {
	message func(c *websocket.Conn, typ websocket.MessageType, p []byte)
	ended   chan error
}

func handling(message func(c *websocket.Conn, typ websocket.MessageType, p []byte)) *events {
	return &events{message, make(chan error, 2)}
}

func (e *events) Message(c *websocket.Conn, typ websocket.MessageType, p []byte) {
	e.message(c, typ, p)
}

func (e *events) Closed(_ *websocket.Conn, err error) { e.ended <- err }

// echo sends every message back.
func echo(t *testing.T) *events {
	return handling(func(c *websocket.Conn, typ websocket.MessageType, p []byte) {
		if err := c.Write(context.Background(), typ, p); err != nil {
			t.Errorf("Write = %v", err)
		}
	})
}

// closedWith waits for Closed and checks that it is called once.
func (e *events) closedWith(t *testing.T, code websocket.CloseCode) *websocket.CloseError {
	t.Helper()
	err := wantClosed(t, "Closed", <-e.ended, code)
	select {
	case again := <-e.ended:
		t.Errorf("Closed is called again, with %v", again)
	default:
	}
	return err
}

// TestHandle has an echo of events answer messages of all sizes and kinds over all
// kinds of streams, many at a time.
func TestHandle(t *testing.T) {
	for _, n := range networks {
		for name, params := range map[string]websocket.Params{"plain": quiet(), "deflate": deflated()} {
			t.Run(n.name+"/"+name, func(t *testing.T) {
				params.Limits.MaxMessageSize = 4 << 20
				client, server := n.conns(t, params)
				e := echo(t)
				server.Handle(e)
				var messages [][]byte
				for i, size := range []int{0, 1, 125, 126, 4 << 10, 65535, 65536, 300 << 10, 2 << 20} {
					messages = append(messages, noise(uint64(i), size), bytes.Repeat([]byte("strand "), size/7))
				}
				sent := async(func() error { return writeAll(client, messages) })
				for _, m := range messages {
					mustRead(t, client, websocket.Binary, m)
				}
				if err := <-sent; err != nil {
					t.Fatal(err)
				}
				if err := client.Close(websocket.CloseNormal, "done"); err != nil {
					t.Errorf("Close = %v", err)
				}
				if err := e.closedWith(t, websocket.CloseNormal); !err.Remote || err.Reason != "done" {
					t.Errorf("Closed(%+v), want the peer's reason", err)
				}
			})
		}
	}
}

// writeAll writes the messages, every third in fragments.
func writeAll(c *websocket.Conn, messages [][]byte) error {
	for i, m := range messages {
		if i%3 > 0 {
			if err := c.Write(context.Background(), websocket.Binary, m); err != nil {
				return err
			}
			continue
		}
		w, err := c.Writer(context.Background(), websocket.Binary)
		if err != nil {
			return err
		}
		for piece := m; len(piece) > 0; {
			n, err := w.Write(piece[:(len(piece)+2)/3])
			if err != nil {
				return errors.Join(err, w.Close())
			}
			piece = piece[n:]
		}
		if err := w.Close(); err != nil {
			return err
		}
	}
	return nil
}

// What a handler writes for messages that came together leaves together, with the
// Pong for a Ping between them in its place (RFC 6455, section 5.5.3).
func TestHandleCork(t *testing.T) {
	stream := &scripted{written: make(chan []byte, 10), rest: make(chan struct{})}
	masked := func(op frame.Opcode) frame.Header {
		return frame.Header{Fin: true, Opcode: op, Masked: true, Key: 0x01020304}
	}
	for i := range 20 {
		stream.script = wstest.AppendFrame(stream.script, masked(frame.Text), []byte(fmt.Sprint(i)))
	}
	stream.script = wstest.AppendFrame(stream.script, masked(frame.Ping), []byte("there?"))
	stream.script = wstest.AppendFrame(stream.script, masked(frame.Text), []byte("last"))
	c := websocket.NewConn(stream, websocket.Server, quiet())
	e := echo(t)
	c.Handle(e)
	var want []byte
	for i := range 20 {
		want = wstest.AppendFrame(want, frame.Header{Fin: true, Opcode: frame.Text}, []byte(fmt.Sprint(i)))
	}
	want = wstest.AppendFrame(want, frame.Header{Fin: true, Opcode: frame.Pong}, []byte("there?"))
	want = wstest.AppendFrame(want, frame.Header{Fin: true, Opcode: frame.Text}, []byte("last"))
	if got := <-stream.written; !bytes.Equal(got, want) {
		t.Errorf("first write = %q, want %q", got, want)
	}
	c.CloseNow()
	e.closedWith(t, websocket.CloseAbnormal)
}

// A scripted stream gives its script to the first Read.
type scripted struct {
	script  []byte
	written chan []byte
	rest    chan struct{} // closed by Close
}

func (s *scripted) Read(p []byte) (int, error) {
	if len(s.script) == 0 {
		<-s.rest
		return 0, io.EOF
	}
	n := copy(p, s.script)
	s.script = s.script[n:]
	return n, nil
}

func (s *scripted) Write(p []byte) (int, error) {
	s.written <- bytes.Clone(p)
	return len(p), nil
}

func (s *scripted) Close() error {
	close(s.rest)
	return nil
}

// Everything that ends a connection is told once, wherever it comes from, and a
// handler may end it.
func TestHandleEnd(t *testing.T) {
	for _, n := range networks {
		for name, tc := range map[string]struct {
			end    func(client, server *websocket.Conn)
			inside func(c *websocket.Conn)
			code   websocket.CloseCode
		}{
			"peer closes":     {end: func(client, _ *websocket.Conn) { client.Close(4001, "") }, code: 4001},
			"peer is gone":    {end: func(client, _ *websocket.Conn) { client.CloseNow() }, code: websocket.CloseAbnormal},
			"Close":           {end: func(_, server *websocket.Conn) { server.Close(4002, "") }, code: 4002},
			"CloseNow":        {end: func(_, server *websocket.Conn) { server.CloseNow() }, code: websocket.CloseAbnormal},
			"Close inside":    {inside: func(c *websocket.Conn) { c.Close(4003, "") }, code: 4003},
			"CloseNow inside": {inside: func(c *websocket.Conn) { c.CloseNow() }, code: websocket.CloseAbnormal},
			"violation": {inside: func(*websocket.Conn) {}, end: func(client, _ *websocket.Conn) {
				client.Write(context.Background(), websocket.Binary, make([]byte, 2000))
			}, code: websocket.CloseMessageTooBig},
		} {
			t.Run(n.name+"/"+name, func(t *testing.T) {
				params := quiet()
				params.Limits.MaxMessageSize = 1000
				client, server := n.conns(t, params)
				e := handling(func(c *websocket.Conn, _ websocket.MessageType, _ []byte) {
					if tc.inside != nil {
						tc.inside(c)
					}
				})
				server.Handle(e)
				reading := async(readErr(client))
				if tc.inside != nil {
					mustWrite(t, client, websocket.Text, []byte("go"))
				}
				if tc.end != nil {
					tc.end(client, server)
				}
				e.closedWith(t, tc.code)
				if err := <-reading; err == nil {
					t.Error("the client reads on")
				}
			})
		}
	}
}

// Bytes that came behind the handshake are handled first, and a connection that
// has ended is told so.
func TestHandleReceived(t *testing.T) {
	for _, n := range networks {
		a, b := n.pair(t)
		params := quiet()
		params.Received = wstest.AppendFrame(nil, frame.Header{Fin: true, Opcode: frame.Text, Masked: true, Key: 5}, []byte("early"))
		server := n.conn(b, websocket.Server, params)
		got := make(chan string, 2)
		e := handling(func(_ *websocket.Conn, _ websocket.MessageType, p []byte) { got <- string(p) })
		server.Handle(e)
		if s := <-got; s != "early" {
			t.Errorf("%s: first message = %q", n.name, s)
		}
		if err := wstest.PeerOn(a).SendFrame(frame.Header{Fin: true, Opcode: frame.Text, Masked: true, Key: 6}, []byte("late")); err != nil {
			t.Fatal(err)
		}
		if s := <-got; s != "late" {
			t.Errorf("%s: second message = %q", n.name, s)
		}
		server.CloseNow()
		e.closedWith(t, websocket.CloseAbnormal)
		again := handling(nil)
		server.Handle(again)
		again.closedWith(t, websocket.CloseAbnormal)
	}
}

// A peer that does not read stops its own messages from being handled, and nobody
// else's; what was queued for it arrives when it reads.
func TestHandleSlowPeer(t *testing.T) {
	a, b := tcpPair(t)
	params := quiet()
	params.Limits.MaxMessageSize = 1 << 20
	client, server := websocket.NewConn(a, websocket.Client, params), websocket.NewConn(b, websocket.Server, params)
	defer client.CloseNow()
	var handled atomic.Int64
	e := handling(func(c *websocket.Conn, typ websocket.MessageType, p []byte) {
		handled.Add(1)
		if err := c.Write(context.Background(), typ, p); err != nil {
			t.Errorf("Write = %v", err)
		}
	})
	server.Handle(e)
	const messages, size = 100, 256 << 10
	sent := async(func() error {
		for i := range messages {
			if err := client.Write(context.Background(), websocket.Binary, noise(uint64(i), size)); err != nil {
				return err
			}
		}
		return nil
	})
	other, another := network{pair: tcpPair}.conns(t, quiet())
	another.Handle(echo(t))
	for i := range 100 {
		mustWrite(t, other, websocket.Text, []byte(fmt.Sprint(i)))
		mustRead(t, other, websocket.Text, []byte(fmt.Sprint(i)))
	}
	for i := range messages {
		mustRead(t, client, websocket.Binary, noise(uint64(i), size))
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
	if n := handled.Load(); n != messages {
		t.Errorf("%d messages handled, want %d", n, messages)
	}
	client.CloseNow()
	e.closedWith(t, websocket.CloseAbnormal)
}

// A handler that blocks holds up its own connection alone, and keeps its order.
func TestHandleBlocks(t *testing.T) {
	const conns = 20
	release := make(chan struct{})
	var all sync.WaitGroup
	for i := range conns {
		client, server := network{pair: tcpPair}.conns(t, quiet())
		server.Handle(handling(func(c *websocket.Conn, typ websocket.MessageType, p []byte) {
			if i%2 == 0 && string(p) == "0" {
				<-release
			}
			if err := c.Write(context.Background(), typ, p); err != nil {
				t.Errorf("Write = %v", err)
			}
		}))
		for m := range 10 {
			mustWrite(t, client, websocket.Text, []byte(fmt.Sprint(m)))
		}
		read := func() {
			for m := range 10 {
				mustRead(t, client, websocket.Text, []byte(fmt.Sprint(m)))
			}
		}
		if i%2 == 0 {
			all.Go(read)
		} else {
			read() // while the others block
		}
	}
	close(release)
	all.Wait()
}

// Writers, pings and streamed messages work beside and inside a handler.
func TestHandleWriter(t *testing.T) {
	for _, n := range networks {
		t.Run(n.name, func(t *testing.T) {
			client, server := n.conns(t, quiet())
			server.Handle(handling(func(c *websocket.Conn, typ websocket.MessageType, p []byte) {
				mustWrite(t, c, typ, []byte("before"))
				w, err := c.Writer(context.Background(), typ)
				if err != nil {
					t.Errorf("Writer = %v", err)
					return
				}
				w.Write(p)
				io.WriteString(w, " streamed")
				if err := w.Close(); err != nil {
					t.Errorf("Close = %v", err)
				}
				mustWrite(t, c, typ, []byte("after"))
			}))
			mustWrite(t, client, websocket.Text, []byte("message"))
			for _, want := range []string{"before", "message streamed", "after"} {
				mustRead(t, client, websocket.Text, []byte(want))
			}
			reading := async(readErr(client))
			if _, err := server.Ping(soon(t)); err != nil {
				t.Errorf("Ping = %v", err)
			}
			client.CloseNow()
			<-reading
		})
	}
}

// A silent peer is pinged and given up, in event mode as otherwise.
func TestHandleKeepAlive(t *testing.T) {
	a, b := tcpPair(t)
	params := websocket.Params{KeepAlive: websocket.KeepAlive{Interval: 20 * time.Millisecond, Timeout: 40 * time.Millisecond}}
	server := websocket.NewConn(b, websocket.Server, params)
	e := handling(nil)
	server.Handle(e)
	peer := wstest.PeerOn(a)
	for range 3 {
		h, p, err := peer.Receive()
		if err != nil || h.Opcode != frame.Ping {
			t.Fatalf("Receive() = %+v, %v, want a Ping", h, err)
		}
		if err := peer.SendFrame(frame.Header{Fin: true, Opcode: frame.Pong, Masked: true, Key: 7}, p); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.closedWith(t, websocket.CloseAbnormal); !strings.Contains(err.Error(), "no sign of life") {
		t.Errorf("Closed(%v), want it to tell of silence", err)
	}
}

// The addresses stay known.
func TestHandleAddr(t *testing.T) {
	a, b := tcpPair(t)
	server := websocket.NewConn(b, websocket.Server, quiet())
	e := handling(nil)
	server.Handle(e)
	for _, when := range []string{"open", "ended"} {
		if got := server.RemoteAddr(); got == nil || got.String() != a.LocalAddr().String() {
			t.Errorf("%s: RemoteAddr() = %v, want %v", when, got, a.LocalAddr())
		}
		if got := server.LocalAddr(); when == "open" && (got == nil || got.String() != a.RemoteAddr().String()) {
			t.Errorf("%s: LocalAddr() = %v, want %v", when, got, a.RemoteAddr())
		}
		a.(*net.TCPConn).SetLinger(0)
		a.Close()
		if when == "open" {
			e.closedWith(t, websocket.CloseAbnormal)
		}
	}
}

// Send from many goroutines to many connections, that close at any time.
func TestHandleBroadcast(t *testing.T) {
	const conns, senders, each = 30, 4, 50
	m, err := websocket.Prepare(websocket.Text, []byte("for all"))
	if err != nil {
		t.Fatal(err)
	}
	servers := make([]*websocket.Conn, conns)
	var readers, all sync.WaitGroup
	for i := range servers {
		client, server := network{pair: tcpPair}.conns(t, quiet())
		servers[i] = server
		server.Handle(handling(nil))
		readers.Go(func() {
			for range senders * each {
				if i%5 == 0 {
					client.CloseNow()
					return
				}
				mustRead(t, client, websocket.Text, []byte("for all"))
			}
		})
	}
	for range senders {
		all.Go(func() {
			for range each {
				for i, s := range servers {
					if err := s.SendPrepared(m); err != nil && i%5 != 0 {
						t.Errorf("SendPrepared = %v", err)
					}
				}
			}
		})
	}
	all.Wait()
	readers.Wait()
}

// What a Read that was given up has left of a message is handled with the rest of
// it; a message that a Reader has begun is discarded.
func TestHandleAfterRead(t *testing.T) {
	for _, n := range networks {
		for _, params := range []websocket.Params{quiet(), deflated()} {
			for _, streamed := range []bool{false, true} {
				client, server := n.conns(t, params)
				w, err := client.Writer(t.Context(), websocket.Text)
				if err != nil {
					t.Fatal(err)
				}
				io.WriteString(w, "begun ")
				if streamed {
					_, r, err := server.Reader(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					if _, err := io.ReadFull(r, make([]byte, 3)); err != nil {
						t.Fatal(err)
					}
				} else {
					ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
					if _, _, err := server.Read(ctx); !errors.Is(err, context.DeadlineExceeded) {
						t.Fatalf("Read = %v, want it to be given up", err)
					}
					cancel()
				}
				got := make(chan string, 2)
				server.Handle(handling(func(_ *websocket.Conn, _ websocket.MessageType, p []byte) { got <- string(p) }))
				io.WriteString(w, "and ended")
				if err := w.Close(); err != nil {
					t.Fatal(err)
				}
				mustWrite(t, client, websocket.Text, []byte("next"))
				if !streamed {
					if s := <-got; s != "begun and ended" {
						t.Errorf("%s: message = %q, want all of it", n.name, s)
					}
				}
				if s := <-got; s != "next" {
					t.Errorf("%s: message = %q, want the next", n.name, s)
				}
			}
		}
	}
}

// A handler that takes longer than the keepalive's patience does not cost the
// connection.
func TestHandleKeepAliveLate(t *testing.T) {
	a, b := tcpPair(t)
	params := websocket.Params{KeepAlive: websocket.KeepAlive{Interval: 10 * time.Millisecond, Timeout: 10 * time.Millisecond}}
	client, server := websocket.NewConn(a, websocket.Client, quiet()), websocket.NewConn(b, websocket.Server, params)
	reading := async(readErr(client))
	late := time.After(200 * time.Millisecond)
	done := make(chan struct{})
	e := handling(func(*websocket.Conn, websocket.MessageType, []byte) {
		<-late
		close(done)
	})
	server.Handle(e)
	mustWrite(t, client, websocket.Text, []byte("take your time"))
	<-done
	if _, err := server.Ping(soon(t)); err != nil {
		t.Errorf("Ping after a late handler = %v, want the connection alive", err)
	}
	client.CloseNow()
	<-reading
	e.closedWith(t, websocket.CloseAbnormal)
}

// A connection whose end was begun by a Read, or by Close, is handled to its end.
func TestHandleBehindTheEnd(t *testing.T) {
	for _, n := range networks {
		for range 20 {
			a, b := n.pair(t)
			server := n.conn(b, websocket.Server, quiet())
			if _, err := a.Write([]byte("\x88\x82\x00\x00\x00\x00\x03\xe8")); err != nil {
				t.Fatal(err)
			}
			if _, _, err := server.Read(t.Context()); err == nil {
				t.Fatalf("%s: Read = nil, want the close", n.name)
			}
			e := handling(nil)
			server.Handle(e)
			e.closedWith(t, websocket.CloseNormal)
			a.Close()
			server.CloseNow()
		}
	}
}
