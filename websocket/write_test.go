package websocket_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15847954/ropewalk/websocket"
	"github.com/seed-15847954/ropewalk/websocket/frame"
)

// TestWriteGivenUp writes to a peer that does not read, with contexts that end.
// When the peer reads again it gets the messages that were begun, whole and in
// order, and nothing of those that were given up: not as bytes, and not in what a
// later compressed message refers to. Every payload is overwritten when its call
// has returned.
//
// Checks 6455-85, 6455-88, 7692-42.
// Security 9.
func TestWriteGivenUp(t *testing.T) {
	for _, n := range networks {
		for name, params := range map[string]websocket.Params{"plain": quiet(), "deflate": deflated()} {
			t.Run(n.name+"/"+name, func(t *testing.T) {
				checkLeaks(t)
				client, server := n.conns(t, params)
				begun, givenUp := fill(t, client, 3)
				got := make(chan [][]byte)
				go func() { got <- drain(server, "end") }()
				go client.Read(t.Context())
				if _, err := client.Ping(soon(t)); err != nil {
					t.Errorf("Ping() = %v, want nil", err)
				}
				// The first of these lies in the compressor's history, the others must not.
				again := append([][]byte{begun[len(begun)-1]}, givenUp...)
				for _, p := range again {
					mustWrite(t, client, websocket.Binary, p)
				}
				mustWrite(t, client, websocket.Binary, []byte("end"))
				want := append(begun, again...)
				if got := <-got; !slices.EqualFunc(got, want, bytes.Equal) {
					t.Errorf("%d messages were received, want the %d that were begun", len(got), len(want))
				}
			})
		}
	}
}

// fill writes messages until n were given up, and returns those that were begun
// and those that were not.
func fill(t *testing.T, c *websocket.Conn, n int) (begun, givenUp [][]byte) {
	t.Helper()
	for i := 0; len(givenUp) < n; i++ {
		p := noise(uint64(i), 1000)
		message := bytes.Clone(p)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Millisecond)
		err := c.Write(ctx, websocket.Binary, p)
		cancel()
		clear(p)
		switch {
		case err == nil:
			begun = append(begun, message)
		case !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, net.ErrClosed):
			t.Fatalf("Write() = %v, want the context's error", err)
		case errors.Is(err, websocket.ErrUnfinishedWrite):
			begun = append(begun, message)
		default:
			givenUp = append(givenUp, message)
		}
	}
	return begun, givenUp
}

// drain reads messages up to the one that is last.
func drain(c *websocket.Conn, last string) (messages [][]byte) {
	for {
		_, p, err := c.Read(context.Background())
		if err != nil || string(p) == last {
			return messages
		}
		messages = append(messages, p)
	}
}

// TestWriteContext checks the errors of writes that a context ends.
func TestWriteContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := pipe(t, quiet())
		big := noise(1, 200_000)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := client.Write(ctx, websocket.Binary, big)
		if !errors.Is(err, websocket.ErrUnfinishedWrite) || !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, net.ErrClosed) {
			t.Errorf("Write() = %v, want ErrUnfinishedWrite and DeadlineExceeded", err)
		}
		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err = client.Write(ctx, websocket.Binary, big)
		if errors.Is(err, websocket.ErrUnfinishedWrite) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Write() behind an unfinished one = %v, want DeadlineExceeded alone", err)
		}
		if err = client.Write(ctx, websocket.Text, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Write(ended) = %v, want DeadlineExceeded", err)
		}
		if err := client.Context().Err(); err != nil {
			t.Errorf("Context().Err() = %v, want nil", err)
		}
		mustRead(t, server, websocket.Binary, big)
	})
}

// TestWriteRefusals checks what is refused before anything is sent.
//
// Checks 6455-111.
func TestWriteRefusals(t *testing.T) {
	for _, params := range []websocket.Params{quiet(), deflated()} {
		synctest.Test(t, func(t *testing.T) {
			client, server := pipe(t, params)
			for _, typ := range []websocket.MessageType{0, 3, 8, 9, 255} {
				if err := client.Write(t.Context(), typ, nil); err == nil {
					t.Errorf("Write(type %d) = nil, want an error", typ)
				}
				if _, err := client.Writer(t.Context(), typ); err == nil {
					t.Errorf("Writer(type %d) = nil, want an error", typ)
				}
			}
			for _, text := range []string{"\xFF", "a\xC0\xAF", "\xED\xA0\x80", "\xF4\x90\x80\x80", "cut \xE2\x82"} {
				if err := client.Write(t.Context(), websocket.Text, []byte(text)); !errors.Is(err, websocket.ErrInvalidUTF8) {
					t.Errorf("Write(text %q) = %v, want ErrInvalidUTF8", text, err)
				}
				if err := client.WriteUncompressed(t.Context(), websocket.Text, []byte(text)); !errors.Is(err, websocket.ErrInvalidUTF8) {
					t.Errorf("WriteUncompressed(text %q) = %v, want ErrInvalidUTF8", text, err)
				}
			}
			mustWrite(t, client, websocket.Text, []byte("after"))
			mustRead(t, server, websocket.Text, []byte("after"))
		})
	}
}

// TestConcurrentWrites has many goroutines write, stream, ping and give up at
// once. What arrives is whole, unmixed, and in order for each of them.
//
// Checks 6455-88, 6455-89, 7692-10.
func TestConcurrentWrites(t *testing.T) {
	for _, n := range []network{networks[0], networks[2], networks[4]} {
		for name, params := range map[string]websocket.Params{"plain": quiet(), "deflate": deflated()} {
			t.Run(n.name+"/"+name, func(t *testing.T) {
				checkLeaks(t)
				client, server := n.conns(t, params)
				const writers, messages = 8, 40
				received := make(chan [writers]int)
				go func() { received <- countInOrder[[writers]int](t, server) }()
				go client.Read(t.Context())
				var wg sync.WaitGroup
				for i := range writers {
					wg.Go(func() {
						for j := range messages {
							writeNumbered(t, client, i, j)
						}
					})
				}
				for range 4 {
					wg.Go(func() {
						for range messages {
							if _, err := client.Ping(t.Context()); err != nil {
								t.Errorf("Ping() = %v, want nil", err)
							}
						}
					})
				}
				wg.Wait()
				mustWrite(t, client, websocket.Text, []byte("end"))
				for i, got := range <-received {
					if got != messages {
						t.Errorf("writer %d: %d messages arrived, want %d", i, got, messages)
					}
				}
			})
		}
	}
}

// writeNumbered sends message j of writer i, in a way that its number decides.
func writeNumbered(t *testing.T, c *websocket.Conn, i, j int) {
	p := numbered(i, j)
	if j%3 > 0 {
		if err := c.Write(t.Context(), websocket.Binary, p); err != nil {
			t.Errorf("Write() = %v, want nil", err)
		}
		return
	}
	w, err := c.Writer(t.Context(), websocket.Binary)
	if err != nil {
		t.Errorf("Writer() = %v, want nil", err)
		return
	}
	defer w.Close()
	for piece := range slices.Chunk(p, 500) {
		if _, err := w.Write(piece); err != nil {
			t.Errorf("writer's Write() = %v, want nil", err)
		}
	}
}

// numbered returns message j of writer i: both numbers, and bytes that follow
// from them.
func numbered(i, j int) []byte {
	p := binary.BigEndian.AppendUint32(nil, uint32(i))
	p = binary.BigEndian.AppendUint32(p, uint32(j))
	r := rand.New(rand.NewPCG(uint64(i), uint64(j)))
	for range r.IntN(3000) {
		p = append(p, byte(r.IntN(8)))
	}
	return p
}

// countInOrder reads numbered messages up to one that says end.
func countInOrder[A ~[8]int](t *testing.T, c *websocket.Conn) (count A) {
	for {
		_, p, err := c.Read(t.Context())
		if err != nil || len(p) < 8 {
			if string(p) != "end" {
				t.Errorf("Read() = %s, %v, want a numbered message", short(p), err)
			}
			return count
		}
		i, j := int(binary.BigEndian.Uint32(p)), int(binary.BigEndian.Uint32(p[4:]))
		if i >= len(count) || count[i] != j || !bytes.Equal(p, numbered(i, j)) {
			t.Errorf("message %d of writer %d is not the next one, or broken", j, i)
			return count
		}
		count[i]++
	}
}

// TestFullDuplex sends 64 MiB each way at once.
//
// Checks 6455-74.
func TestFullDuplex(t *testing.T) {
	checkLeaks(t)
	client, server := networks[2].conns(t, quiet())
	const messages = 64
	p := noise(1, 1<<20)
	var wg sync.WaitGroup
	for _, c := range []*websocket.Conn{client, server} {
		wg.Go(func() {
			for range messages {
				if err := c.Write(soon(t), websocket.Binary, p); err != nil {
					t.Errorf("%v: Write() = %v, want nil", c.Role(), err)
					return
				}
			}
		})
		wg.Go(func() {
			var buf []byte
			for i := range messages {
				var err error
				_, buf, err = c.ReadAppend(soon(t), buf[:0])
				if err != nil || !bytes.Equal(buf, p) {
					t.Errorf("%v: message %d = %s, %v, want what was sent", c.Role(), i, short(buf), err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// TestNothingAfterClose closes while others write. Behind the Close frame nothing
// is sent.
//
// Checks 6455-99, 6455-114.
func TestNothingAfterClose(t *testing.T) {
	for name, params := range map[string]websocket.Params{"plain": quiet(), "deflate": deflated()} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conn, peer := rude(t, websocket.Client, params)
				for i := range 8 {
					go func() {
						var err error
						for err == nil {
							err = conn.Write(t.Context(), websocket.Text, []byte("data"))
							if i%2 == 0 && err == nil {
								err = streamOne(t.Context(), conn)
							}
						}
						wantClosed(t, "Write()", err, websocket.CloseNormal)
					}()
				}
				go func() {
					for range 1000 {
						peer.Receive()
					}
					go conn.Close(websocket.CloseNormal, "")
				}()
				synctest.Wait()
				wantCloseFrame(t, peer, websocket.CloseNormal)
				if h, _, err := peer.Receive(); err == nil {
					t.Errorf("%v frame behind Close, want none", h.Opcode)
				}
			})
		})
	}
}

func streamOne(ctx context.Context, c *websocket.Conn) error {
	w, err := c.Writer(ctx, websocket.Text)
	if err != nil {
		return err
	}
	io.WriteString(w, "a")
	io.WriteString(w, "b")
	return w.Close()
}

// TestCompressionChoice checks which messages are compressed: by size, and by the
// call.
//
// Checks 7692-8, 7692-11, 7692-14, 7692-46.
func TestCompressionChoice(t *testing.T) {
	text := []byte(strings.Repeat("strand ", 20))
	for _, tc := range []struct {
		threshold, size int
		uncompressed    bool
		want            uint8
	}{
		{threshold: 0, size: 63, want: 0},
		{threshold: 0, size: 64, want: frame.RSV1},
		{threshold: 0, size: 64, uncompressed: true, want: 0},
		{threshold: 50, size: 49, want: 0},
		{threshold: 50, size: 50, want: frame.RSV1},
		{threshold: -1, size: 0, want: 0},
		{threshold: -1, size: 1, want: 0}, // it would grow
		{threshold: -1, size: 30, want: frame.RSV1},
		{threshold: -1, size: 30, uncompressed: true, want: 0},
	} {
		t.Run(fmt.Sprintf("%+v", tc), func(t *testing.T) {
			params := deflated()
			params.CompressionThreshold = tc.threshold
			conn, peer := rude(t, websocket.Server, params)
			write := conn.Write
			if tc.uncompressed {
				write = conn.WriteUncompressed
			}
			if err := write(t.Context(), websocket.Text, text[:tc.size]); err != nil {
				t.Fatal(err)
			}
			h, _, err := peer.Receive()
			if err != nil || h.RSV != tc.want || !h.Fin || h.Opcode != frame.Text {
				t.Errorf("frame = %+v, %v, want RSV %#x", h, err, tc.want)
			}
		})
	}
	// Both kinds in turn, with takeover on both sides.
	client, server := pipe(t, deflated())
	for i := range 20 {
		write := client.Write
		if i%3 == 1 {
			write = client.WriteUncompressed
		}
		if err := write(t.Context(), websocket.Text, text[i:]); err != nil {
			t.Fatal(err)
		}
		mustRead(t, server, websocket.Text, text[i:])
	}
}
