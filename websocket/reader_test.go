package websocket_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/seed-15847954/ropewalk/websocket"
	"github.com/seed-15847954/ropewalk/websocket/frame"
	"github.com/seed-15847954/ropewalk/websocket/wstest"
)

// readerCases are the ways in which a message may come.
var readerCases = []struct {
	name   string
	params func() websocket.Params
	send   func(t *testing.T, c *websocket.Conn, p []byte)
}{
	{"plain", quiet, sendWhole},
	{"fragments", quiet, sendFragments},
	{"deflate", deflated, sendWhole},
	{"deflate fragments", deflated, sendFragments},
}

func sendWhole(t *testing.T, c *websocket.Conn, p []byte) { mustWrite(t, c, websocket.Text, p) }

func sendFragments(t *testing.T, c *websocket.Conn, p []byte) {
	t.Helper()
	w, err := c.Writer(t.Context(), websocket.Text)
	if err != nil {
		t.Fatal(err)
	}
	for ; len(p) > 0; p = p[min(100, len(p)):] {
		if _, err := w.Write(p[:min(100, len(p))]); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

// forReaders runs test with each way to send.
func forReaders(t *testing.T, test func(t *testing.T, client, server *websocket.Conn, send func(p []byte))) {
	for _, tc := range readerCases {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := pipe(t, tc.params())
				test(t, client, server, func(p []byte) { tc.send(t, client, p) })
			})
		})
	}
}

var longText = []byte(strings.Repeat("Ein Seil aus drei Strängen reißt nicht leicht. ", 30))

// TestReader streams a message, with reads of all sizes.
//
// Checks 6455-91, 6455-111.
func TestReader(t *testing.T) {
	forReaders(t, func(t *testing.T, client, server *websocket.Conn, send func([]byte)) {
		for range 3 {
			send(longText)
			send(nil)
		}
		for _, wrap := range []func(io.Reader) io.Reader{
			func(r io.Reader) io.Reader { return r }, iotest.OneByteReader, iotest.HalfReader,
		} {
			for _, want := range [][]byte{longText, {}} {
				typ, r, err := server.Reader(t.Context())
				if err != nil || typ != websocket.Text {
					t.Fatalf("Reader() = %v, %v, want text, nil", typ, err)
				}
				got, err := io.ReadAll(wrap(r))
				if err != nil || !bytes.Equal(got, want) {
					t.Fatalf("ReadAll() = %s, %v, want %s", short(got), err, short(want))
				}
				for range 2 {
					if n, err := r.Read(make([]byte, 10)); n != 0 || err != io.EOF {
						t.Errorf("Read() after the end = %d, %v, want 0, EOF", n, err)
					}
				}
			}
		}
	})
}

// TestReaderGivesWhatHasCome checks that a message is handed out before its end.
func TestReaderGivesWhatHasCome(t *testing.T) {
	for name, params := range map[string]websocket.Params{"plain": quiet(), "deflate": deflated()} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := pipe(t, params)
				w, err := client.Writer(t.Context(), websocket.Text)
				if err != nil {
					t.Fatal(err)
				}
				defer w.Close()
				io.WriteString(w, "first part")
				_, r, err := server.Reader(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				p := make([]byte, 100)
				if n, err := r.Read(p); string(p[:n]) != "first part" || err != nil {
					t.Errorf("Read() = %q, %v, want %q", p[:n], err, "first part")
				}
				io.WriteString(w, "second part")
				if n, err := r.Read(p); string(p[:n]) != "second part" || err != nil {
					t.Errorf("Read() = %q, %v, want %q", p[:n], err, "second part")
				}
				if n, err := r.Read(nil); n != 0 || err != nil {
					t.Errorf("Read(nil) = %d, %v, want 0, nil", n, err)
				}
			})
		})
	}
}

// TestReaderDiscards reads a part of a message, and then others. What is left of
// it is discarded, and inflated all the same.
//
// Checks 7692-42.
func TestReaderDiscards(t *testing.T) {
	forReaders(t, func(t *testing.T, client, server *websocket.Conn, send func([]byte)) {
		for taken := range 5 {
			send(longText)
			send(longText[100:])
			send([]byte("last"))
			_, first, err := server.Reader(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(first, make([]byte, taken*taken*20)); err != nil {
				t.Fatal(err)
			}
			_, second, err := server.Reader(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if n, err := first.Read(make([]byte, 10)); n != 0 || err == nil || err == io.EOF {
				t.Errorf("Read() of a superseded reader = %d, %v, want 0 and an error", n, err)
			}
			got := make([]byte, 200)
			if _, err := io.ReadFull(second, got); err != nil || !bytes.Equal(got, longText[100:300]) {
				t.Errorf("second message = %q, %v, want %q", got, err, longText[100:300])
			}
			mustRead(t, server, websocket.Text, []byte("last"))
			if n, err := second.Read(got); n != 0 || err == nil || err == io.EOF {
				t.Errorf("Read() of a superseded reader = %d, %v, want 0 and an error", n, err)
			}
		}
	})
}

// TestReaderDiscardGivenUp gives up a Read while it discards the open message.
// The earlier reader must not go on behind the hole.
func TestReaderDiscardGivenUp(t *testing.T) {
	for _, params := range []websocket.Params{quiet(), deflated()} {
		synctest.Test(t, func(t *testing.T) {
			wire := encoded(t, websocket.Client, params, func(c *websocket.Conn) {
				sendFragments(t, c, longText)
				mustWrite(t, c, websocket.Text, longText)
			})
			conn, peer := rude(t, websocket.Server, params)
			peer.Send(wire[:100])
			_, r, err := conn.Reader(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if _, _, err := conn.Read(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("Read() = %v, want DeadlineExceeded", err)
			}
			peer.Send(wire[100:200])
			if n, err := r.Read(make([]byte, 10)); n != 0 || err == nil || err == io.EOF {
				t.Errorf("Read() of a superseded reader = %d, %v, want 0 and an error", n, err)
			}
			if _, _, err := conn.Resume(t.Context()); err == nil {
				t.Error("Resume() of a message that is being discarded = nil, want an error")
			}
			peer.Send(wire[200:])
			mustRead(t, conn, websocket.Text, longText)
		})
	}
}

// TestResume stops a reader by its context every few bytes.
func TestResume(t *testing.T) {
	for _, tc := range readerCases {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				wire := encoded(t, websocket.Client, tc.params(), func(c *websocket.Conn) {
					tc.send(t, c, longText)
					tc.send(t, c, longText)
				})
				conn, peer := rude(t, websocket.Server, tc.params())
				if _, _, err := conn.Resume(t.Context()); err == nil || errors.Is(err, net.ErrClosed) {
					t.Errorf("Resume() of no message = %v, want an error that does not end the connection", err)
				}
				go func() {
					for i := range wire {
						<-time.After(100 * time.Millisecond)
						peer.Send(wire[i : i+1])
					}
				}()
				for range 2 {
					if got := readResuming(t, conn); !bytes.Equal(got, longText) {
						t.Fatalf("message = %s, want %s", short(got), short(longText))
					}
					if _, _, err := conn.Resume(t.Context()); err == nil {
						t.Error("Resume() of a message that was read to its end = nil, want an error")
					}
				}
			})
		})
	}
}

// readResuming reads one message with contexts shorter than two bytes take.
func readResuming(t *testing.T, conn *websocket.Conn) (message []byte) {
	t.Helper()
	var (
		r       io.Reader
		earlier io.Reader
		resumed int
	)
	for {
		ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
		defer cancel()
		var err error
		if earlier = r; earlier == nil {
			_, r, err = conn.Reader(ctx)
		} else {
			_, r, err = conn.Resume(ctx)
		}
		if errors.Is(err, context.DeadlineExceeded) {
			r = nil
			continue
		}
		if err != nil {
			t.Fatalf("Reader() = %v, want nil", err)
		}
		if earlier != nil {
			resumed++
			if n, err := earlier.Read(make([]byte, 1)); n != 0 || err == nil || err == io.EOF {
				t.Errorf("Read() of the reader before Resume = %d, %v, want 0 and an error", n, err)
			}
		}
		p, err := io.ReadAll(r)
		message = append(message, p...)
		if err == nil {
			if resumed == 0 {
				t.Error("the message was read in one go, want it resumed")
			}
			return message
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("ReadAll() = %v, want the context's error", err)
		}
	}
}

// TestReaderAfterReadGivenUp lets a reader take over what a Read has gathered.
func TestReaderAfterReadGivenUp(t *testing.T) {
	for _, tc := range readerCases {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				wire := encoded(t, websocket.Client, tc.params(), func(c *websocket.Conn) {
					tc.send(t, c, longText)
					tc.send(t, c, longText)
				})
				conn, peer := rude(t, websocket.Server, tc.params())
				for _, piece := range [][]byte{wire[:20], wire[20:25], wire[25:60]} {
					peer.Send(piece)
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					defer cancel()
					if _, _, err := conn.Read(ctx); !errors.Is(err, context.DeadlineExceeded) {
						t.Fatalf("Read() = %v, want DeadlineExceeded", err)
					}
				}
				go peer.Send(wire[60:])
				_, r, err := conn.Reader(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(r)
				if err != nil || !bytes.Equal(got, longText) {
					t.Fatalf("ReadAll() = %s, %v, want %s", short(got), err, short(longText))
				}
				mustRead(t, conn, websocket.Text, longText)
			})
		})
	}
}

// TestReaderInvalidText checks that a streamed message is not taken to be text
// when it is not, and that the peer is told.
//
// Checks 6455-125, 6455-134, 6455-138.
func TestReaderInvalidText(t *testing.T) {
	invalid := append(bytes.Repeat([]byte("valid "), 40), 0xFF, 'x')
	cut := []byte("cut short \xE2\x82")
	for name, params := range map[string]websocket.Params{"plain": quiet(), "deflate": deflated()} {
		for _, text := range [][]byte{invalid, cut} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					wire := encoded(t, websocket.Client, params, func(c *websocket.Conn) {
						mustWrite(t, c, websocket.Binary, text)
					})
					wire[0] = wire[0]&^0x0F | byte(frame.Text)
					conn, peer := rude(t, websocket.Server, params)
					peer.Send(wire)
					_, r, err := conn.Reader(t.Context())
					if err == nil {
						_, err = io.ReadAll(r)
					}
					wantClosed(t, "ReadAll()", err, websocket.CloseInvalidPayload)
					wantCloseFrame(t, peer, websocket.CloseInvalidPayload)
				})
			})
		}
	}
}

// wantCloseFrame receives frames up to a Close frame, and checks its code. It
// returns its reason.
func wantCloseFrame(t *testing.T, peer *wstest.Peer, code websocket.CloseCode) string {
	t.Helper()
	for {
		h, p, err := peer.Receive()
		if err != nil {
			t.Fatalf("Receive() = %v, want Close %v", err, code)
		}
		if h.Opcode != frame.Close {
			continue
		}
		got, reason, err := frame.ParseClose(p)
		if got != code || err != nil {
			t.Fatalf("Close frame = %v %q, %v, want %v", got, reason, err, code)
		}
		return reason
	}
}

// TestCloseWithOpenReader closes while a message was read in part. The reader
// tells the end; what it gave before is untouched.
func TestCloseWithOpenReader(t *testing.T) {
	forReaders(t, func(t *testing.T, client, server *websocket.Conn, send func([]byte)) {
		send(longText)
		_, r, err := server.Reader(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 50)
		if _, err := io.ReadFull(r, got); err != nil {
			t.Fatal(err)
		}
		go client.Read(t.Context())
		if err := server.Close(websocket.CloseNormal, ""); err != nil {
			t.Errorf("Close() = %v, want nil", err)
		}
		if !bytes.Equal(got, longText[:50]) {
			t.Errorf("read before Close = %q, want %q", got, longText[:50])
		}
		_, err = r.Read(got)
		wantClosed(t, "Read()", err, websocket.CloseNormal)
	})
}
