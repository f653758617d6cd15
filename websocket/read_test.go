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
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15847954/ropewalk/websocket"
	"github.com/seed-15847954/ropewalk/websocket/frame"
	"github.com/seed-15847954/ropewalk/websocket/wstest"
)

// resumeMessages are sent by sendMessages and read in pieces.
var resumeMessages = []string{
	"plain", "", "fragmented: a rope of three strands", "a rope of three strands again", "ünïcödé",
	strings.Repeat("strand ", 20), "last",
}

// sendMessages sends resumeMessages, every second one in fragments.
func sendMessages(t *testing.T, c *websocket.Conn) {
	for i, m := range resumeMessages {
		if i%2 == 0 {
			mustWrite(t, c, websocket.Text, []byte(m))
			continue
		}
		w, err := c.Writer(t.Context(), websocket.Text)
		if err != nil {
			t.Fatal(err)
		}
		for piece := range strings.SplitAfterSeq(m, " ") {
			io.WriteString(w, piece)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestReadResumes gives up Read after every few bytes of messages. Nothing of
// them may be lost, over any kind of stream.
//
// Checks 6455-88, 6455-91, 6455-116.
func TestReadResumes(t *testing.T) {
	for _, n := range networks {
		for name, params := range map[string]websocket.Params{"plain": quiet(), "deflate": deflated()} {
			t.Run(n.name+"/"+name, func(t *testing.T) {
				checkLeaks(t)
				wire := encoded(t, websocket.Client, params, func(c *websocket.Conn) { sendMessages(t, c) })
				a, b := n.pair(t)
				server := n.conn(b, websocket.Server, params)
				defer server.CloseNow()
				got, givenUp := drip(t, a, wire, server)
				if want := fmt.Sprintf("%q", resumeMessages); fmt.Sprintf("%q", got) != want {
					t.Errorf("messages = %q, want %s", got, want)
				}
				if givenUp < len(wire)/6 {
					t.Errorf("%d reads were given up, want one for most pieces", givenUp)
				}
			})
		}
	}
}

// drip sends wire a few bytes at a time, and between them reads with contexts
// that end soon. It returns the messages and how many reads were given up.
func drip(t *testing.T, a net.Conn, wire []byte, c *websocket.Conn) (messages []string, givenUp int) {
	t.Helper()
	read := func(patience time.Duration) error {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		_, p, err := c.Read(ctx)
		switch {
		case err == nil:
			messages = append(messages, string(p))
		case !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, net.ErrClosed):
			t.Fatalf("Read() = %v after %q, want the context's error", err, messages)
		}
		return err
	}
	for len(wire) > 0 {
		piece := wire[:min(3, len(wire))]
		wire = wire[len(piece):]
		if _, err := a.Write(piece); err != nil {
			t.Fatal(err)
		}
		for read(100*time.Microsecond) == nil {
		}
		givenUp++
	}
	for len(messages) < len(resumeMessages) && read(10*time.Second) == nil {
	}
	return messages, givenUp
}

// TestReadContext checks the error of a Read that is given up, and that the
// connection is as it was.
func TestReadContext(t *testing.T) {
	for _, n := range networks[:2] {
		t.Run(n.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := n.conns(t, quiet())
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error, 1)
				go func() {
					_, _, err := server.Read(ctx)
					done <- err
				}()
				synctest.Wait()
				cancel()
				if err := <-done; !errors.Is(err, context.Canceled) || errors.Is(err, net.ErrClosed) {
					t.Errorf("Read(cancelled) = %v, want context.Canceled", err)
				}
				if _, _, err := server.Read(ctx); !errors.Is(err, context.Canceled) {
					t.Errorf("Read(cancelled before) = %v, want context.Canceled", err)
				}
				ctx, cancel = context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				if _, _, err := server.Read(ctx); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("Read(deadline) = %v, want context.DeadlineExceeded", err)
				}
				if err := server.Context().Err(); err != nil {
					t.Errorf("Context().Err() = %v, want nil", err)
				}
				mustWrite(t, client, websocket.Text, []byte("still here"))
				mustRead(t, server, websocket.Text, []byte("still here"))
			})
		})
	}
}

// TestReadAppend checks that what is in the buffer stays, with and without an error.
func TestReadAppend(t *testing.T) {
	for name, params := range map[string]websocket.Params{"plain": quiet(), "deflate": deflated()} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conn, peer := rude(t, websocket.Server, params)
				wire := encoded(t, websocket.Client, params, func(c *websocket.Conn) {
					mustWrite(t, c, websocket.Text, []byte("new"))
				})
				if err := peer.Send(wire[:len(wire)-1]); err != nil {
					t.Fatal(err)
				}
				buf := append(make([]byte, 0, 100), "old "...)
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				_, got, err := conn.ReadAppend(ctx, buf)
				if !errors.Is(err, context.DeadlineExceeded) || string(got) != "old " {
					t.Errorf("ReadAppend(half a message) = %q, %v, want %q and DeadlineExceeded", got, err, "old ")
				}
				if err := peer.Send(wire[len(wire)-1:]); err != nil {
					t.Fatal(err)
				}
				_, got, err = conn.ReadAppend(t.Context(), buf)
				if err != nil || string(got) != "old new" {
					t.Errorf("ReadAppend() = %q, %v, want %q", got, err, "old new")
				}
				if &got[0] != &buf[0] {
					t.Error("ReadAppend() has allocated, want the buffer's spare capacity used")
				}
			})
		})
	}
}

// TestReadOwnership overwrites each message that was read, all of its capacity.
// Later ones, and the history of the decompressor, must not be touched by that.
//
// Security 9.
func TestReadOwnership(t *testing.T) {
	for name, params := range map[string]websocket.Params{"plain": quiet(), "deflate": deflated()} {
		t.Run(name, func(t *testing.T) {
			client, server := pipe(t, params)
			const messages = 200
			go func() {
				for i := range messages {
					mustWrite(t, client, websocket.Binary, ownershipMessage(i))
				}
			}()
			for i := range messages {
				_, p, err := server.Read(t.Context())
				if err != nil || !bytes.Equal(p, ownershipMessage(i)) {
					t.Fatalf("message %d = %s, %v, want %s", i, short(p), err, short(ownershipMessage(i)))
				}
				p = p[:cap(p)]
				for j := range p {
					p[j] = 0xEE
				}
			}
		})
	}
}

func ownershipMessage(i int) []byte {
	return append(bytes.Repeat([]byte("strand "), i%50), noise(uint64(i), 7*i%300)...)
}

// TestConcurrentReads checks that readers share the messages without a loss.
func TestConcurrentReads(t *testing.T) {
	client, server := pipe(t, deflated())
	const messages = 500
	var (
		mu      sync.Mutex
		seen    = make(map[string]int)
		readers sync.WaitGroup
	)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for range 8 {
		readers.Go(func() {
			for {
				_, p, err := server.Read(ctx)
				if err != nil {
					return
				}
				mu.Lock()
				seen[string(p)]++
				if len(seen) == messages {
					cancel()
				}
				mu.Unlock()
			}
		})
	}
	for i := range messages {
		mustWrite(t, client, websocket.Text, fmt.Appendf(nil, "message %d", i))
	}
	readers.Wait()
	for m, n := range seen {
		if n != 1 {
			t.Errorf("%q was read %d times, want 1", m, n)
		}
	}
}

// TestReadAfterEnd checks that every method tells the same end, and at once.
func TestReadAfterEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := pipe(t, quiet())
		go client.Close(4001, "enough")
		_, _, err := server.Read(t.Context())
		want := wantClosed(t, "Read()", err, 4001)
		if want.Reason != "enough" || !want.Remote {
			t.Errorf("Read() = %+v, want the reason enough, remote", want)
		}
		for name, call := range everyCall(server, t.Context()) {
			if got := wantClosed(t, name, call(), 4001); got != want {
				t.Errorf("%s: CloseError %p, want that of Read, %p", name, got, want)
			}
		}
		if got := context.Cause(server.Context()); got != error(want) {
			t.Errorf("Cause(Context()) = %v, want %v", got, want)
		}
	})
}

// everyCall calls each method that can fail.
func everyCall(c *websocket.Conn, ctx context.Context) map[string]func() error {
	return map[string]func() error{
		"Read": func() error {
			_, _, err := c.Read(ctx)
			return err
		},
		"ReadAppend": func() error {
			_, _, err := c.ReadAppend(ctx, nil)
			return err
		},
		"Reader": func() error {
			_, _, err := c.Reader(ctx)
			return err
		},
		"Resume": func() error {
			_, _, err := c.Resume(ctx)
			return err
		},
		"Write":             func() error { return c.Write(ctx, websocket.Text, nil) },
		"WriteUncompressed": func() error { return c.WriteUncompressed(ctx, websocket.Text, nil) },
		"Writer": func() error {
			_, err := c.Writer(ctx, websocket.Text)
			return err
		},
		"Ping": func() error {
			_, err := c.Ping(ctx)
			return err
		},
		"Close": func() error { return c.Close(websocket.CloseNormal, "") },
	}
}

// TestReadWithOwnContext checks that a connection's own context as a call's does
// not hide how it ended.
func TestReadWithOwnContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := pipe(t, quiet())
		go client.Close(4001, "")
		_, _, err := server.Read(server.Context())
		wantClosed(t, "Read(own context)", err, 4001)
		for name, call := range everyCall(server, server.Context()) {
			wantClosed(t, name+"(own context) after the end", call(), 4001)
		}
	})
}

// TestManyMessagesInOneSegment checks that messages which come together are told
// apart, and one that comes a byte at a time is one.
//
// Checks 6455-116.
func TestManyMessagesInOneSegment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, peer := rude(t, websocket.Server, quiet())
		h := frame.Header{Fin: true, Opcode: frame.Text, Masked: true, Key: 0x01020304}
		var b []byte
		for i := range 1000 {
			b = wstest.AppendFrame(b, h, fmt.Appendf(nil, "message %d", i))
		}
		if err := peer.Send(b); err != nil {
			t.Fatal(err)
		}
		for i := range 1000 {
			mustRead(t, conn, websocket.Text, fmt.Appendf(nil, "message %d", i))
		}
		long := bytes.Repeat([]byte("rope"), 25_000)
		go func() {
			for _, c := range wstest.AppendFrame(nil, h, long) {
				peer.Send([]byte{c})
			}
		}()
		mustRead(t, conn, websocket.Text, long)
	})
}

// TestCloseRead checks that it answers pings, ends with the connection, and takes
// a message for a breach.
func TestCloseRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := pipe(t, quiet())
		ctx := server.CloseRead()
		go client.Read(t.Context())
		if _, err := client.Ping(t.Context()); err != nil {
			t.Errorf("Ping() = %v, want nil", err)
		}
		mustWrite(t, client, websocket.Text, []byte("unexpected"))
		<-ctx.Done()
		wantClosed(t, "Cause()", context.Cause(ctx), websocket.ClosePolicyViolation)
		<-client.Context().Done()
		closed := wantClosed(t, "client", context.Cause(client.Context()), websocket.ClosePolicyViolation)
		if !closed.Remote {
			t.Errorf("client: %v, want closed by remote", closed)
		}
	})
}
