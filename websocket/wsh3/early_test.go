package wsh3_test

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/seed-15847954/ropewalk/websocket"
	"github.com/seed-15847954/ropewalk/websocket/wsh3"
)

// zeroRTT has a server take early data.
func zeroRTT(s *http3.Server) {
	s.QUICConfig.Allow0RTT = true
	s.QUICConfig.HandshakeIdleTimeout = 500 * time.Millisecond
}

// A ticketCache keeps a session and says when there is one.
type ticketCache struct {
	tls.ClientSessionCache
	put chan struct{}
}

func (c *ticketCache) Put(key string, state *tls.ClientSessionState) {
	c.ClientSessionCache.Put(key, state)
	select {
	case c.put <- struct{}{}:
	default:
	}
}

// ticket gets what a client needs to send early data to s.
func ticket(t *testing.T, s *server) *tls.Config {
	t.Helper()
	cache := &ticketCache{tls.NewLRUClientSessionCache(1), make(chan struct{}, 1)}
	config := clientTLS()
	config.ClientSessionCache = cache
	c, err := quic.DialAddr(waiting(t), s.addr, config, nil)
	if err != nil {
		t.Fatal(err)
	}
	receive(t, cache.put)
	c.CloseWithError(0x100, "")
	return config
}

// sendEarly sends an opening handshake in early data to addr.
func sendEarly(t *testing.T, addr string, config *tls.Config) (*quic.Conn, *quic.Stream) {
	t.Helper()
	c, err := quic.DialAddrEarly(waiting(t), addr, config, &quic.Config{HandshakeIdleTimeout: 500 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseWithError(0x100, "") })
	str, err := c.OpenStream()
	if err != nil {
		t.Fatal(err)
	}
	send(t, str, headersFrame(":method", "CONNECT", ":protocol", "websocket", ":scheme", "https", ":authority", "127.0.0.1",
		":path", "/", "sec-websocket-version", "13"))
	return c, str
}

// RFC 9220, section 4, and RFC 8470, section 5.2: a handshake that was read in early
// data is refused with 425. One that was read when the QUIC handshake was complete is
// none.
// Checks 9220-8.
func TestEarlyData(t *testing.T) {
	checkLeaks(t)
	complete := make(chan bool, 1)
	s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		complete <- r.TLS.HandshakeComplete
		echo(nil).ServeHTTP(w, r)
	}), zeroRTT)
	c, str := sendEarly(t, s.addr, ticket(t, s))
	want := "425"
	if receive(t, complete) {
		want = "200"
	}
	typ, block := readFrame(t, str)
	if _, values := fields(t, block); typ != 0x01 || values[":status"] != want {
		t.Errorf("answer %v, want %s", values, want)
	}
	<-c.HandshakeComplete()
	if !c.ConnectionState().Used0RTT {
		t.Error("no early data was sent")
	}
}

// RFC 8470, section 2: who replays what a client has sent opens nothing by it.
// Checks 9220-8.
func TestReplay(t *testing.T) {
	checkLeaks(t)
	answers := make(chan error, 1)
	s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := wsh3.Accept(w, r, nil)
		if err == nil {
			c.CloseNow()
		}
		answers <- err
	}), zeroRTT)
	config := ticket(t, s)
	sendEarly(t, replayer(t, s.addr), config)
	e, ok := errors.AsType[*websocket.HandshakeError](receive(t, answers))
	if !ok || e.Status != http.StatusTooEarly {
		t.Errorf("Accept of a replay = %v, want a HandshakeError with 425", e)
	}
}

// replayer passes on to the server what a client sends before it has an answer, and
// nothing after: as who replays recorded packets can.
func replayer(t *testing.T, server string) (addr string) {
	t.Helper()
	front, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	back, err := net.Dial("udp", server)
	if err != nil {
		t.Fatal(err)
	}
	var answered atomic.Bool
	client := make(chan net.Addr, 1)
	done := make(chan struct{}, 2)
	go func() {
		defer func() { done <- struct{}{} }()
		p := make([]byte, 2<<10)
		for {
			n, from, err := front.ReadFrom(p)
			if err != nil {
				return
			}
			select {
			case client <- from:
			default:
			}
			if !answered.Load() {
				_, _ = back.Write(p[:n])
			}
		}
	}()
	go func() {
		defer func() { done <- struct{}{} }()
		p := make([]byte, 2<<10)
		var to net.Addr
		for {
			n, err := back.Read(p)
			if err != nil {
				return
			}
			answered.Store(true)
			if to == nil {
				to = <-client
			}
			_, _ = front.WriteTo(p[:n], to)
		}
	}()
	t.Cleanup(func() {
		front.Close()
		back.Close()
		<-done
		<-done
	})
	return front.LocalAddr().String()
}
