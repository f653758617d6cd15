package proxy

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open returns a proxy and both ends of a connection through it.
func open(t *testing.T) (p *Proxy, client, server *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if p, err = New(ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	up, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { up.Close() })
	down, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { down.Close() })
	return p, up.(*net.TCPConn), down.(*net.TCPConn)
}

// send writes b from one end and wants it at the other.
func send(t *testing.T, from io.Writer, to io.Reader, b string) {
	t.Helper()
	got := make([]byte, len(b))
	_, werr := io.WriteString(from, b)
	_, rerr := io.ReadFull(to, got)
	if werr != nil || rerr != nil || string(got) != b {
		t.Fatalf("sent %q and got %q, %v, %v", b, got, werr, rerr)
	}
}

func TestCarries(t *testing.T) {
	_, client, server := open(t)
	send(t, client, server, "up")
	send(t, server, client, "down")
	client.CloseWrite()
	if rest, err := io.ReadAll(server); len(rest) > 0 || err != nil {
		t.Errorf("behind the end came %q, %v", rest, err)
	}
	send(t, server, client, "still")
	server.CloseWrite()
	if rest, err := io.ReadAll(client); len(rest) > 0 || err != nil {
		t.Errorf("behind the end came %q, %v", rest, err)
	}
}

// The bytes that are let through come, and both sides end behind them.
func TestDamage(t *testing.T) {
	const more = 7
	for _, way := range []Way{Down, Up} {
		p, client, server := open(t)
		from, to := server, client
		if way == Up {
			from, to = client, server
		}
		send(t, client, server, "whole")
		p.open()[0].damage(way, more)
		if _, err := from.Write(bytes.Repeat([]byte("x"), 100)); err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(to); len(got) != more {
			t.Errorf("way %d: %d bytes came through, want %d (%v)", way, len(got), more, err)
		}
		if rest, _ := io.ReadAll(from); len(rest) > 0 {
			t.Errorf("way %d: the other side got %q", way, rest)
		}
	}
}

func TestReset(t *testing.T) {
	p, client, server := open(t)
	send(t, client, server, "whole")
	p.open()[0].damage(Reset, 0)
	for _, c := range []net.Conn{client, server} {
		if got, err := io.ReadAll(c); len(got) > 0 || err == nil {
			t.Errorf("after a reset ReadAll = %q, %v, want an error", got, err)
		}
	}
}

// Break breaks as many as there are; those through which nothing goes end with Heal.
func TestBreakAndHeal(t *testing.T) {
	p, client, server := open(t)
	send(t, client, server, "whole")
	if n := p.Break(rand.New(rand.NewPCG(1, 1)), 5); n != 1 {
		t.Errorf("Break = %d, want 1", n)
	}
	p.Heal()
	for _, c := range []net.Conn{client, server} {
		if got, _ := io.ReadAll(c); len(got) > 0 {
			t.Errorf("ReadAll = %q, want nothing", got)
		}
	}
}

// A target that is not there ends the connection as it would itself.
func TestNoTarget(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	p, err := New(ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		return // the end came before Dial has returned
	}
	defer c.Close()
	if _, err := io.ReadAll(c); err == nil {
		t.Error("ReadAll = nil, want an error")
	}
}

// While it is stopped one way nothing comes through there, and all of it afterwards.
func TestStop(t *testing.T) {
	for _, way := range []Way{Down, Up} {
		p, client, server := open(t)
		from, to := server, client
		if way == Up {
			from, to = client, server
		}
		send(t, client, server, "whole")
		p.Stop(way == Up, way == Down)
		send(t, to, from, "the other way")
		if _, err := from.Write([]byte("held")); err != nil {
			t.Fatal(err)
		}
		got := make(chan string, 1)
		go func() {
			b := make([]byte, 4)
			n, _ := io.ReadFull(to, b)
			got <- string(b[:n])
		}()
		send(t, to, from, "and again") // there was time to come through
		select {
		case b := <-got:
			t.Errorf("way %d: %q came through", way, b)
		default:
		}
		p.Resume()
		if b := <-got; b != "held" {
			t.Errorf("way %d: got %q behind Resume", way, b)
		}
	}
}

// Connections go to the targets in turn, past those that are not there.
func TestTurns(t *testing.T) {
	var targets []string
	var listeners []net.Listener
	for range 3 {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		listeners, targets = append(listeners, ln), append(targets, ln.Addr().String())
	}
	listeners[1].Close()
	p, err := New(targets...)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for _, i := range []int{0, 2, 2, 0} { // the second one falls to the third
		c, err := net.Dial("tcp", p.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		there, err := listeners[i].Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer there.Close()
		send(t, c, there, "hello")
	}
}
