package websocket_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/seed-15847954/ropewalk/websocket"
	"github.com/seed-15847954/ropewalk/websocket/frame"
	"github.com/seed-15847954/ropewalk/websocket/wstest"
)

// full returns a connection whose peer does not read and whose transport takes no
// more bytes; what Send queues from now on stays there.
func full(t *testing.T, params websocket.Params) (*websocket.Conn, *wstest.Peer) {
	t.Helper()
	params.KeepAlive.Interval = -1
	c, peer := wstest.NewPeer(websocket.Server, params)
	t.Cleanup(func() {
		c.CloseNow()
		peer.Stream().Close()
	})
	if err := c.Send(websocket.Binary, make([]byte, 100<<10)); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	return c, peer
}

// delivered returns the payloads of the messages that come until the Close frame
// or the end; the first, of 100 KiB, is left out.
func delivered(peer *wstest.Peer) (got []string) {
	for {
		h, p, err := peer.Receive()
		if err != nil || h.Opcode == frame.Close {
			return got
		}
		if len(p) < 100<<10 {
			got = append(got, string(p))
		}
	}
}

// Messages of Send and Write arrive in the order of the calls, and what waits
// leaves in few writes.
func TestSendOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := full(t, websocket.Params{})
		var want []string
		for i := range 100 {
			want = append(want, fmt.Sprint(i))
			if err := c.Send(websocket.Text, []byte(want[i])); err != nil {
				t.Fatal(err)
			}
		}
		if got, want := c.Buffered(), 100<<10+14+100*14+10+90*2; got != want {
			t.Errorf("Buffered() = %d, want %d", got, want)
		}
		written := async(func() error { return c.Write(t.Context(), websocket.Text, []byte("last")) })
		synctest.Wait()
		closed := async(func() error { return c.Close(websocket.CloseNormal, "") })
		got := delivered(peer)
		if err := <-written; err != nil {
			t.Errorf("Write = %v", err)
		}
		if want = append(want, "last"); strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("received %q, want %q", got, want)
		}
		if c.Buffered() != 0 {
			t.Errorf("Buffered() = %d when all is sent, want 0", c.Buffered())
		}
		peer.Stream().Close()
		<-closed
	})
}

// Each policy, with room for the large message and three small ones.
func TestSendOverflow(t *testing.T) {
	const room = 100<<10 + 14 + 3*15
	for _, tc := range []struct {
		overflow websocket.Overflow
		errs     string // which of five messages are refused
		want     string
		dropped  int64
	}{
		{websocket.OverflowDropNew, "3 4", "0 1 2", 0},
		{websocket.OverflowDropOldest, "", "2 3 4", 2},
	} {
		synctest.Test(t, func(t *testing.T) {
			var dropped, drained atomic.Int64
			c, peer := full(t, websocket.Params{Queue: websocket.Queue{
				MaxBytes: room,
				Overflow: tc.overflow,
				OnDrop:   func(_ *websocket.Conn, n int) { dropped.Add(int64(n)) },
				OnDrain:  func(*websocket.Conn) { drained.Add(1) },
			}})
			var errs []string
			for i := range 5 {
				if err := c.Send(websocket.Text, []byte(fmt.Sprint(i))); errors.Is(err, websocket.ErrQueueFull) {
					errs = append(errs, fmt.Sprint(i))
				} else if err != nil {
					t.Fatal(err)
				}
			}
			closed := async(func() error { return c.Close(websocket.CloseNormal, "") })
			got := delivered(peer)
			synctest.Wait()
			if strings.Join(errs, " ") != tc.errs || strings.Join(got, " ") != tc.want || dropped.Load() != tc.dropped || drained.Load() != 1 {
				t.Errorf("policy %d: refused %q, received %q, dropped %d, drained %d times, want %q, %q, %d, once",
					tc.overflow, errs, got, dropped.Load(), drained.Load(), tc.errs, tc.want, tc.dropped)
			}
			peer.Stream().Close()
			<-closed
		})
	}
}

func TestSendBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := full(t, websocket.Params{Queue: websocket.Queue{MaxBytes: 100 << 10, Overflow: websocket.OverflowBlock}})
		sent := async(func() error { return c.Send(websocket.Text, []byte("waits")) })
		synctest.Wait()
		select {
		case err := <-sent:
			t.Fatalf("Send = %v, want it to wait", err)
		default:
		}
		if h, _, err := peer.Receive(); err != nil || h.Length != 100<<10 {
			t.Fatalf("Receive() = %+v, %v", h, err)
		}
		if err := <-sent; err != nil {
			t.Errorf("Send = %v", err)
		}
		if _, p, err := peer.Receive(); err != nil || string(p) != "waits" {
			t.Errorf("Receive() = %q, %v", p, err)
		}
		// The end of the connection ends the wait too.
		if err := c.Send(websocket.Text, make([]byte, 200<<10)); err != nil {
			t.Fatal(err)
		}
		sent = async(func() error { return c.Send(websocket.Text, []byte("waits")) })
		synctest.Wait()
		c.CloseNow()
		wantClosed(t, "Send", <-sent, websocket.CloseAbnormal)
	})
}

// A peer that cannot keep up is told so and let go.
func TestSendClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dropped atomic.Int64
		c, peer := full(t, websocket.Params{Queue: websocket.Queue{
			MaxBytes: 100<<10 + 100,
			OnDrop:   func(_ *websocket.Conn, n int) { dropped.Add(int64(n)) },
		}})
		if err := c.Send(websocket.Text, []byte("lost")); err != nil {
			t.Fatal(err)
		}
		err := c.Send(websocket.Text, make([]byte, 100))
		wantClosed(t, "Send", err, websocket.ClosePolicyViolation)
		wantClosed(t, "next Send", c.Send(websocket.Text, nil), websocket.ClosePolicyViolation)
		if h, _, err := peer.Receive(); err != nil || h.Opcode != frame.Binary {
			t.Fatalf("Receive() = %+v, %v", h, err)
		}
		h, p, err := peer.Receive()
		if code, _, _ := frame.ParseClose(p); err != nil || h.Opcode != frame.Close || code != websocket.ClosePolicyViolation {
			t.Errorf("Receive() = %+v %q, %v, want Close 1008", h, p, err)
		}
		synctest.Wait()
		if n := dropped.Load(); n != 1 {
			t.Errorf("OnDrop told of %d messages, want 1", n)
		}
	})
}

// What is queued when the connection ends is told of.
func TestSendEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dropped atomic.Int64
		c, _ := full(t, websocket.Params{Queue: websocket.Queue{OnDrop: func(_ *websocket.Conn, n int) { dropped.Add(int64(n)) }}})
		for range 3 {
			if err := c.Send(websocket.Text, []byte("lost")); err != nil {
				t.Fatal(err)
			}
		}
		c.CloseNow()
		synctest.Wait()
		if n := dropped.Load(); n != 4 {
			t.Errorf("OnDrop told of %d messages, want 4", n)
		}
		wantClosed(t, "Send", c.Send(websocket.Text, nil), websocket.CloseAbnormal)
	})
}

func TestSendInvalid(t *testing.T) {
	c, _ := pipe(t, quiet())
	if err := c.Send(websocket.Text, []byte("\xff")); !errors.Is(err, websocket.ErrInvalidUTF8) {
		t.Errorf("Send = %v, want ErrInvalidUTF8", err)
	}
	if err := c.Send(0, nil); err == nil {
		t.Error("Send of no type succeeds")
	}
	if _, err := websocket.Prepare(websocket.Text, []byte("\xff")); !errors.Is(err, websocket.ErrInvalidUTF8) {
		t.Errorf("Prepare = %v, want ErrInvalidUTF8", err)
	}
	if _, err := websocket.Prepare(0, nil); err == nil {
		t.Error("Prepare of no type succeeds")
	}
}

// One prepared message goes to connections of all kinds, between other messages.
func TestSendPrepared(t *testing.T) {
	text := strings.Repeat("for all of you, ", 30)
	m, err := websocket.Prepare(websocket.Text, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for _, deflate := range []*websocket.DeflateParams{
		nil, {}, {ServerMaxWindowBits: 9, ClientMaxWindowBits: 9}, {ServerNoContextTakeover: true, ClientNoContextTakeover: true},
	} {
		params := quiet()
		params.Deflate = deflate
		client, server := pipe(t, params)
		all.Go(func() {
			for i := range 20 {
				from, to := client, server
				if i%2 == 0 {
					from, to = server, client
				}
				if err := from.SendPrepared(m); err != nil {
					t.Errorf("SendPrepared = %v", err)
				}
				mustWrite(t, from, websocket.Text, []byte(text+"!"))
				mustRead(t, to, websocket.Text, []byte(text))
				mustRead(t, to, websocket.Text, []byte(text+"!"))
			}
		})
	}
	all.Wait()
}

// Messages that several goroutines write at once arrive whole, those of each in
// their order, however often their contexts end.
func TestWriteTogether(t *testing.T) {
	for _, n := range networks {
		t.Run(n.name, func(t *testing.T) {
			client, server := n.conns(t, deflated())
			const writers, each = 8, 50
			var all sync.WaitGroup
			for w := range writers {
				all.Go(func() {
					for i := range each {
						text := []byte(strings.Repeat(fmt.Sprintf("%d %d;", w, i), 40))
						if i%3 == 0 {
							if err := client.Send(websocket.Text, text); err != nil {
								t.Errorf("Send = %v", err)
							}
							continue
						}
						mustWrite(t, client, websocket.Text, text)
					}
				})
			}
			next := make([]int, writers)
			for range writers * each {
				_, p, err := server.Read(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				var w, i int
				if _, err := fmt.Sscanf(string(p), "%d %d;", &w, &i); err != nil || next[w] != i {
					t.Fatalf("message %.20q of a writer whose next is %v", p, next)
				}
				next[w]++
			}
			all.Wait()
		})
	}
}
