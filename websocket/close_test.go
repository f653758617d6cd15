package websocket_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/seed-15847954/ropewalk/websocket"
	"github.com/seed-15847954/ropewalk/websocket/frame"
	"github.com/seed-15847954/ropewalk/websocket/wstest"
)

// to returns the header of a whole frame to a Conn of the given role.
func to(role websocket.Role, op frame.Opcode) frame.Header {
	h := masked(op)
	if role == websocket.Client {
		h.Masked = false
	}
	return h
}

// answer sends a Close frame.
func answer(peer *wstest.Peer, role websocket.Role, code websocket.CloseCode, reason string) {
	peer.SendFrame(to(role, frame.Close), frame.AppendClose(nil, code, reason))
}

// bothRoles runs test in a bubble for each role of the Conn.
func bothRoles(t *testing.T, params websocket.Params, test func(t *testing.T, conn *websocket.Conn, peer *wstest.Peer)) {
	t.Helper()
	for _, role := range []websocket.Role{websocket.Server, websocket.Client} {
		t.Run(role.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conn, peer := rude(t, role, params)
				test(t, conn, peer)
			})
		})
	}
}

// async runs f in a goroutine and returns a channel for its error.
func async(f func() error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	return done
}

// readErr reads until there is an error.
func readErr(c *websocket.Conn) func() error {
	return func() error {
		for {
			if _, _, err := c.Read(context.Background()); err != nil {
				return err
			}
		}
	}
}

// closer closes c normally.
func closer(c *websocket.Conn) func() error {
	return func() error { return c.Close(websocket.CloseNormal, "") }
}

// TestCloseCodes checks which codes Close sends, and that it refuses the others
// without harm.
//
// Checks 6455-121, 6455-133, 6455-135, 6455-136, 6455-137.
func TestCloseCodes(t *testing.T) {
	refused := []websocket.CloseCode{0, 1, 999, 1004, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535}
	sent := []websocket.CloseCode{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999}
	bothRoles(t, quiet(), func(t *testing.T, conn *websocket.Conn, peer *wstest.Peer) {
		codes := refused
		if conn.Role() == websocket.Server {
			codes = append(codes, websocket.CloseMandatoryExtension)
		}
		for _, code := range codes {
			if err := conn.Close(code, ""); err == nil || errors.Is(err, net.ErrClosed) {
				t.Errorf("Close(%d) = %v, want it refused", code, err)
			}
		}
		if err := conn.Context().Err(); err != nil {
			t.Errorf("Context().Err() = %v, want nil", err)
		}
		role := conn.Role()
		codes = sent
		if role == websocket.Client {
			codes = append(codes, websocket.CloseMandatoryExtension)
		}
		for _, code := range codes {
			conn, peer := rude(t, role, quiet())
			done := async(func() error { return conn.Close(code, "reason") })
			if reason := wantCloseFrame(t, peer, code); reason != "reason" {
				t.Errorf("Close(%d, reason): reason = %q", code, reason)
			}
			answer(peer, role, code, "")
			peer.Stream().Close()
			if err := <-done; err != nil {
				t.Errorf("Close(%d) = %v, want nil", code, err)
			}
		}
		done := async(func() error { return conn.Close(websocket.CloseNoStatus, "lost") })
		wantFrames(t, peer, `close fin=true rsv=0x0 ""`)
		answer(peer, role, websocket.CloseNoStatus, "")
		peer.Stream().Close()
		if err := <-done; err != nil {
			t.Errorf("Close(CloseNoStatus) = %v, want nil", err)
		}
	})
}

// TestCloseReason sends reasons that are too long or not UTF-8.
//
// Checks 6455-94, 6455-97.
func TestCloseReason(t *testing.T) {
	for _, reason := range []string{
		strings.Repeat("x", 123), strings.Repeat("x", 124), strings.Repeat("é", 100), "x" + strings.Repeat("é", 100),
		strings.Repeat("\U0001F9F5", 40), strings.Repeat("x", 10_000), "bad \xFF byte", strings.Repeat("\xFF", 300),
	} {
		synctest.Test(t, func(t *testing.T) {
			conn, peer := rude(t, websocket.Server, quiet())
			done := async(func() error { return conn.Close(4000, reason) })
			h, p, err := peer.Receive()
			if err != nil || h.Opcode != frame.Close {
				t.Fatalf("Receive() = %v, %v, want close", h.Opcode, err)
			}
			got := string(p[2:])
			if len(p) > 125 || !utf8.ValidString(got) || utf8.ValidString(reason) && !strings.HasPrefix(reason, got) {
				t.Errorf("Close(%s): reason = %q, want its start, in UTF-8 and at most 123 bytes", short([]byte(reason)), got)
			}
			if utf8.ValidString(reason) && len(got) < min(len(reason), 120) {
				t.Errorf("Close(%s): reason = %q, want no more than a rune cut off", short([]byte(reason)), got)
			}
			answer(peer, websocket.Server, 4000, "")
			peer.Stream().Close()
			<-done
		})
	}
}

// TestServerClosesFirst has a server start the closing handshake. When the answer
// has come it ends the transport without waiting for the client.
//
// Checks 6455-102, 6455-103, 6455-119, 6455-121.
func TestServerClosesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, peer := rude(t, websocket.Server, quiet())
		done := async(closer(conn))
		wantCloseFrame(t, peer, websocket.CloseNormal)
		start := time.Now()
		answer(peer, websocket.Server, websocket.CloseNormal, "")
		if _, _, err := peer.Receive(); err != io.EOF {
			t.Errorf("Receive() behind the handshake = %v, want EOF", err)
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("the end came after %v, want at once", took)
		}
		// The client does not close its side: the server does not wait for long.
		if err := <-done; err != nil {
			t.Errorf("Close() = %v, want nil", err)
		}
		if took := time.Since(start); took > time.Second {
			t.Errorf("Close() took %v, want at most 1s", took)
		}
	})
}

// TestClientWaitsForServer has a client start the closing handshake. It leaves it
// to the server to end the transport, but does not wait for ever.
//
// Checks 6455-103, 6455-120.
func TestClientWaitsForServer(t *testing.T) {
	for _, ends := range []bool{true, false} {
		t.Run(fmt.Sprintf("ends=%v", ends), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conn, peer := rude(t, websocket.Client, quiet())
				start := time.Now()
				done := async(closer(conn))
				wantCloseFrame(t, peer, websocket.CloseNormal)
				answer(peer, websocket.Client, websocket.CloseNormal, "")
				eof := async(func() error {
					_, _, err := peer.Receive()
					return err
				})
				<-time.After(3 * time.Second)
				select {
				case err := <-eof:
					t.Errorf("the client has ended the transport (%v), want it to wait for the server", err)
				default:
				}
				want := 5 * time.Second
				if ends {
					want = 3 * time.Second
					peer.Stream().(*wstest.Stream).CloseWrite()
				}
				if err := <-done; err != nil {
					t.Errorf("Close() = %v, want nil", err)
				}
				if took := time.Since(start); took != want {
					t.Errorf("Close() took %v, want %v", took, want)
				}
				if err := <-eof; err != io.EOF {
					t.Errorf("Receive() = %v, want EOF", err)
				}
			})
		})
	}
}

// TestCloseFromPeer checks what Read says, and what the answer is.
//
// Checks 6455-100, 6455-102, 6455-122.
func TestCloseFromPeer(t *testing.T) {
	bothRoles(t, quiet(), func(t *testing.T, conn *websocket.Conn, _ *wstest.Peer) {
		role := conn.Role()
		for _, code := range []websocket.CloseCode{1000, 1001, 1005, 1011, 1014, 3000, 4999} {
			conn, peer := rude(t, role, quiet())
			reason := "why"
			if code == websocket.CloseNoStatus {
				reason = ""
			}
			done := async(readErr(conn))
			answer(peer, role, code, reason)
			wantCloseFrame(t, peer, code)
			peer.Stream().(*wstest.Stream).CloseWrite()
			if _, _, err := peer.Receive(); err != io.EOF {
				t.Errorf("Receive() behind the answer = %v, want EOF", err)
			}
			closed := wantClosed(t, "Read()", <-done, code)
			if closed.Reason != reason || !closed.Remote {
				t.Errorf("Read() = %+v, want reason %q, remote", closed, reason)
			}
		}
	})
}

// TestCrossingCloses has both sides close at once, with codes of their own.
//
// Checks 6455-104.
func TestCrossingCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := pipe(t, quiet())
		a := async(func() error { return client.Close(4001, "") })
		b := async(func() error { return server.Close(4002, "") })
		if err := <-a; err != nil {
			t.Errorf("client's Close() = %v, want nil", err)
		}
		if err := <-b; err != nil {
			t.Errorf("server's Close() = %v, want nil", err)
		}
		wantClosed(t, "client", context.Cause(client.Context()), 4001)
		wantClosed(t, "server", context.Cause(server.Context()), 4002)
	})
	bothRoles(t, quiet(), func(t *testing.T, conn *websocket.Conn, peer *wstest.Peer) {
		answer(peer, conn.Role(), 4002, "")
		done := async(func() error { return conn.Close(4001, "") })
		wantCloseFrame(t, peer, 4001)
		peer.Stream().(*wstest.Stream).CloseWrite()
		if h, _, err := peer.Receive(); err == nil {
			t.Errorf("%v frame behind Close, want none", h.Opcode)
		}
		if err := <-done; err != nil {
			t.Errorf("Close() = %v, want nil", err)
		}
	})
}

// TestCloseWaitsBehindWrite has the peer close, and this side too, while a large
// message is on its way. The message comes whole, then the one Close frame.
//
// Checks 6455-101, 6455-104.
func TestCloseWaitsBehindWrite(t *testing.T) {
	bothRoles(t, quiet(), func(t *testing.T, conn *websocket.Conn, peer *wstest.Peer) {
		big := noise(1, 500_000)
		wrote := async(func() error { return conn.Write(context.Background(), websocket.Binary, big) })
		synctest.Wait()
		closed := async(func() error { return conn.Close(4001, "") })
		synctest.Wait()
		answer(peer, conn.Role(), 4002, "")
		synctest.Wait()
		if h, p, err := peer.Receive(); h.Opcode != frame.Binary || string(p) != string(big) {
			t.Errorf("Receive() = %v %s, %v, want the message", h.Opcode, short(p), err)
		}
		wantCloseFrame(t, peer, 4001)
		peer.Stream().Close()
		if err := <-wrote; err != nil {
			t.Errorf("Write() = %v, want nil", err)
		}
		if err := <-closed; err != nil {
			t.Errorf("Close() = %v, want nil", err)
		}
	})
}

// TestCloseBesideRead closes while another goroutine reads: it gets what still
// comes, and then the end.
func TestCloseBesideRead(t *testing.T) {
	bothRoles(t, quiet(), func(t *testing.T, conn *websocket.Conn, peer *wstest.Peer) {
		role := conn.Role()
		var messages []string
		read := async(func() error {
			for {
				_, p, err := conn.Read(context.Background())
				if err != nil {
					return err
				}
				messages = append(messages, string(p))
			}
		})
		synctest.Wait()
		done := async(func() error { return conn.Close(4001, "bye") })
		wantCloseFrame(t, peer, 4001)
		peer.SendFrame(to(role, frame.Text), []byte("late"))
		peer.SendFrame(to(role, frame.Text), []byte("later"))
		answer(peer, role, 4001, "")
		peer.Stream().(*wstest.Stream).CloseWrite()
		closed := wantClosed(t, "Read()", <-read, 4001)
		if closed.Remote || closed.Reason != "bye" {
			t.Errorf("Read() = %+v, want reason bye, local", closed)
		}
		if err := <-done; err != nil {
			t.Errorf("Close() = %v, want nil", err)
		}
		if fmt.Sprint(messages) == "[]" {
			t.Errorf("messages beside Close = %q, want at least the first", messages)
		}
	})
}

// TestCloseTwice closes again, at once and later, with Close and CloseNow.
func TestCloseTwice(t *testing.T) {
	bothRoles(t, quiet(), func(t *testing.T, conn *websocket.Conn, peer *wstest.Peer) {
		first := async(func() error { return conn.Close(4001, "") })
		synctest.Wait()
		second := async(func() error { return conn.Close(4002, "") })
		wantCloseFrame(t, peer, 4001)
		answer(peer, conn.Role(), 4001, "")
		peer.Stream().(*wstest.Stream).CloseWrite()
		if err := <-first; err != nil {
			t.Errorf("first Close() = %v, want nil", err)
		}
		wantClosed(t, "second Close()", <-second, 4001)
		wantClosed(t, "third Close()", conn.Close(4003, ""), 4001)
		for range 2 {
			if err := conn.CloseNow(); err != nil {
				t.Errorf("CloseNow() = %v, want nil", err)
			}
		}
		if h, _, err := peer.Receive(); err == nil {
			t.Errorf("%v frame behind Close, want none", h.Opcode)
		}
	})
}

// TestViolationEndsAll sends a frame that breaks the rules and, in one piece with
// it, others that don't. Of those nothing is processed.
//
// Checks 6455-123, 6455-124, 6455-125, 6455-126.
func TestViolationEndsAll(t *testing.T) {
	bothRoles(t, quiet(), func(t *testing.T, conn *websocket.Conn, peer *wstest.Peer) {
		role := conn.Role()
		bad := to(role, frame.Text)
		bad.RSV = frame.RSV3
		b := wstest.AppendFrame(nil, bad, []byte("bad"))
		b = wstest.AppendFrame(b, to(role, frame.Text), []byte("text"))
		b = wstest.AppendFrame(b, to(role, frame.Ping), []byte("ping"))
		b = wstest.AppendFrame(b, to(role, frame.Close), []byte{0x0F, 0xA1})
		peer.Send(b)
		start := time.Now()
		for range 2 {
			_, _, err := conn.Read(t.Context())
			closed := wantClosed(t, "Read()", err, websocket.CloseProtocolError)
			if closed.Remote || !strings.Contains(err.Error(), "reserved bits") {
				t.Errorf("Read() = %v, want it to name the violation", err)
			}
		}
		wantCloseFrame(t, peer, websocket.CloseProtocolError)
		if h, _, err := peer.Receive(); err != io.EOF {
			t.Errorf("Receive() behind Close = %v, %v, want EOF", h.Opcode, err)
		}
		if took := time.Since(start); took > time.Second {
			t.Errorf("the end came after %v, want 1s at most", took)
		}
	})
}

// A Read bounded by the connection's own Context still waits until the Close frame
// is out, so that a CloseNow behind it cuts nothing off.
func TestReadOwnContextThenCloseNow(t *testing.T) {
	bothRoles(t, quiet(), func(t *testing.T, c *websocket.Conn, peer *wstest.Peer) {
		ended := async(func() error {
			defer c.CloseNow()
			_, _, err := c.Read(c.Context())
			return err
		})
		answer(peer, c.Role(), 4001, "")
		h, p, err := peer.Receive()
		if code, _, _ := frame.ParseClose(p); err != nil || h.Opcode != frame.Close || code != 4001 {
			t.Errorf("Receive() = %+v % x, %v, want Close 4001", h, p, err)
		}
		peer.Stream().Close()
		wantClosed(t, "Read", <-ended, 4001)
	})
}
