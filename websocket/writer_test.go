package websocket_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15847954/ropewalk/websocket"
	"github.com/seed-15847954/ropewalk/websocket/frame"
	"github.com/seed-15847954/ropewalk/websocket/wstest"
)

// received returns the next n frames, as opcode, FIN, RSV and payload.
func received(t *testing.T, peer *wstest.Peer, n int) (frames []string) {
	t.Helper()
	for range n {
		h, p, err := peer.Receive()
		if err != nil {
			t.Fatalf("Receive() = %v after %q", err, frames)
		}
		frames = append(frames, fmt.Sprintf("%v fin=%v rsv=%#x %q", h.Opcode, h.Fin, h.RSV, p))
	}
	return frames
}

func wantFrames(t *testing.T, peer *wstest.Peer, want ...string) {
	t.Helper()
	if got := received(t, peer, len(want)); !slices.Equal(got, want) {
		t.Errorf("frames:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestWriterFrames looks at the frames of streamed messages.
//
// Checks 6455-87, 6455-92, 6455-115.
func TestWriterFrames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, peer := rude(t, websocket.Client, quiet())
		w, err := conn.Writer(t.Context(), websocket.Text)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, "one \xE2\x82")
		if n, err := w.Write(nil); n != 0 || err != nil {
			t.Errorf("Write(nil) = %d, %v, want 0, nil", n, err)
		}
		io.WriteString(w, "\xAC two")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		conn.Ping(ctx)
		if err := w.Close(); err != nil {
			t.Errorf("Close() = %v, want nil", err)
		}
		wantFrames(t, peer,
			`text fin=false rsv=0x0 "one \xe2\x82"`,
			`continuation fin=false rsv=0x0 "\xac two"`,
			`ping fin=true rsv=0x0 "\x00\x00\x00\x00\x00\x00\x00\x01"`,
			`continuation fin=true rsv=0x0 ""`)
		if err := w.Close(); err == nil {
			t.Error("second Close() = nil, want an error")
		}
		if _, err := w.Write([]byte("x")); err == nil {
			t.Error("Write() after Close = nil, want an error")
		}
		w, err = conn.Writer(t.Context(), websocket.Binary)
		if err != nil {
			t.Fatal(err)
		}
		w.Close()
		wantFrames(t, peer, `binary fin=true rsv=0x0 ""`)
	})
}

// TestWriterFramesCompressed looks at the bits of compressed fragments, and at the
// form of an empty message.
//
// Checks 7692-8, 7692-12, 7692-43.
func TestWriterFramesCompressed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, peer := rude(t, websocket.Server, deflated())
		w, err := conn.Writer(t.Context(), websocket.Text)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, "Hello")
		io.WriteString(w, "Hello")
		w.Close()
		wantHeader := func(h frame.Header, op frame.Opcode, rsv uint8, fin bool) {
			t.Helper()
			if h.Opcode != op || h.RSV != rsv || h.Fin != fin {
				t.Errorf("header = %+v, want %v, RSV %#x, FIN %v", h, op, rsv, fin)
			}
		}
		h, _, _ := peer.Receive()
		wantHeader(h, frame.Text, frame.RSV1, false)
		h, _, _ = peer.Receive()
		wantHeader(h, frame.Continuation, 0, false)
		h, _, _ = peer.Receive()
		wantHeader(h, frame.Continuation, 0, true)
		w, err = conn.Writer(t.Context(), websocket.Text)
		if err != nil {
			t.Fatal(err)
		}
		w.Close()
		wantFrames(t, peer, `text fin=true rsv=0x40 "\x00"`)
		mustWrite(t, conn, websocket.Text, nil)
		wantFrames(t, peer, `text fin=true rsv=0x0 ""`)
		w, err = conn.WriterUncompressed(t.Context(), websocket.Text)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, "secret")
		w.Close()
		wantFrames(t, peer, `text fin=false rsv=0x0 "secret"`, `continuation fin=true rsv=0x0 ""`)
	})
}

// TestWriterHoldsOthers checks that other messages wait for the end of a streamed
// one, and can be given up meanwhile.
//
// Checks 6455-89.
func TestWriterHoldsOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := pipe(t, quiet())
		w, err := client.Writer(t.Context(), websocket.Text)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, "first ")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := client.Write(ctx, websocket.Text, []byte("given up")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Write() beside an open writer = %v, want DeadlineExceeded", err)
		}
		if _, err := client.Writer(ctx, websocket.Text); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Writer() beside an open writer = %v, want DeadlineExceeded", err)
		}
		done := make(chan error, 1)
		go func() { done <- client.Write(t.Context(), websocket.Text, []byte("second")) }()
		synctest.Wait()
		io.WriteString(w, "message")
		w.Close()
		if err := <-done; err != nil {
			t.Errorf("Write() = %v, want nil", err)
		}
		mustRead(t, server, websocket.Text, []byte("first message"))
		mustRead(t, server, websocket.Text, []byte("second"))
	})
}

// TestWriterUnseen gives up messages of which nothing was sent: that does no harm.
func TestWriterUnseen(t *testing.T) {
	for _, params := range []websocket.Params{quiet(), deflated()} {
		synctest.Test(t, func(t *testing.T) {
			client, server := pipe(t, params)
			w, err := client.Writer(t.Context(), websocket.Text)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(w, "\xFF"); !errors.Is(err, websocket.ErrInvalidUTF8) {
				t.Errorf("Write(not UTF-8) = %v, want ErrInvalidUTF8", err)
			}
			if _, err := io.WriteString(w, "x"); !errors.Is(err, websocket.ErrInvalidUTF8) {
				t.Errorf("Write() after an error = %v, want the same error", err)
			}
			if err := w.Close(); !errors.Is(err, websocket.ErrInvalidUTF8) {
				t.Errorf("Close() = %v, want ErrInvalidUTF8", err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			if w, err = client.Writer(ctx, websocket.Text); err != nil {
				t.Fatal(err)
			}
			cancel()
			if _, err := io.WriteString(w, "x"); !errors.Is(err, context.Canceled) {
				t.Errorf("Write(cancelled) = %v, want Canceled", err)
			}
			if err := w.Close(); !errors.Is(err, context.Canceled) {
				t.Errorf("Close() = %v, want Canceled", err)
			}
			mustWrite(t, client, websocket.Text, []byte("x"))
			mustRead(t, server, websocket.Text, []byte("x"))
		})
	}
}

// TestWriterAbandoned gives up messages of which a part was sent: that fails the
// connection, and a write that waits is told so.
//
// Checks 6455-125, 6455-134.
func TestWriterAbandoned(t *testing.T) {
	for name, spoil := range map[string]func(w io.Writer, cancel func()) error{
		"not UTF-8": func(w io.Writer, _ func()) error {
			_, err := io.WriteString(w, "\xFF")
			return err
		},
		"cut": func(w io.Writer, _ func()) error {
			_, err := io.WriteString(w, "cut short \xE2\x82")
			return err
		},
		"cancelled": func(w io.Writer, cancel func()) error {
			cancel()
			_, err := io.WriteString(w, "x")
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := pipe(t, deflated())
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				w, err := client.Writer(ctx, websocket.Text)
				if err != nil {
					t.Fatal(err)
				}
				io.WriteString(w, "begun ")
				waits := make(chan error, 1)
				go func() { waits <- client.Write(t.Context(), websocket.Text, []byte("waits")) }()
				synctest.Wait()
				err = spoil(w, cancel)
				if closeErr := w.Close(); closeErr == nil || err != nil && !errors.Is(closeErr, err) {
					t.Errorf("Close() = %v, want the error of Write, %v", closeErr, err)
				}
				err = <-waits
				wantClosed(t, "waiting Write()", err, websocket.CloseInternalError)
				if errors.Is(err, context.Canceled) || errors.Is(err, websocket.ErrUnfinishedWrite) {
					t.Errorf("waiting Write() = %v, want it not to wrap what ended the other message", err)
				}
				_, _, err = server.Read(t.Context())
				if closed := wantClosed(t, "peer's Read()", err, websocket.CloseInternalError); !closed.Remote {
					t.Errorf("peer's Read() = %v, want it closed by remote", closed)
				}
				<-client.Context().Done()
			})
		})
	}
}

// TestWriterPeerDoesNotRead streams to a peer that neither reads nor sends. The
// writer can be closed, and the connection ends by itself.
func TestWriterPeerDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, _ := rude(t, websocket.Client, quiet())
		read := make(chan error, 1)
		go func() {
			_, _, err := conn.Read(t.Context())
			read <- err
		}()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		w, err := conn.Writer(ctx, websocket.Binary)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(noise(1, 200_000)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Write() = %v, want DeadlineExceeded", err)
		}
		start := time.Now()
		if err := w.Close(); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Close() = %v, want DeadlineExceeded", err)
		}
		wantClosed(t, "Read()", <-read, websocket.CloseInternalError)
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("the end took %v, want at most CloseTimeout, 5s", took)
		}
	})
}

// TestWriterCloseBlocked closes a writer while the peer does not read: it waits at
// most CloseTimeout.
func TestWriterCloseBlocked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, _ := rude(t, websocket.Client, quiet())
		w, err := conn.Writer(t.Context(), websocket.Binary)
		if err != nil {
			t.Fatal(err)
		}
		// With its header of eight bytes the fragment fills the stream to the last byte.
		if _, err := w.Write(noise(1, 65536-8)); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if err := w.Close(); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Close() = %v, want DeadlineExceeded", err)
		}
		<-conn.Context().Done()
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("the end took %v, want at most CloseTimeout, 5s", took)
		}
		wantClosed(t, "Cause()", context.Cause(conn.Context()), websocket.CloseInternalError)
	})
}
