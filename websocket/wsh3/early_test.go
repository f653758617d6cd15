package wsh3_test

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"sync"
	"testing"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/quicvarint"

	"github.com/seed-15847954/ropewalk/websocket"
	"github.com/seed-15847954/ropewalk/websocket/wsh3"
)

// zeroRTT has a server take early data.
func zeroRTT(s *http3.Server) { s.QUICConfig.Allow0RTT = true }

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
	c, err := quic.DialAddrEarly(waiting(t), addr, config, nil)
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
	c, str := sendEarly(t, holdBack(t, s.addr, false), ticket(t, s))
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
	sendEarly(t, holdBack(t, s.addr, true), config)
	e, ok := errors.AsType[*websocket.HandshakeError](receive(t, answers))
	if !ok || e.Status != http.StatusTooEarly {
		t.Errorf("Accept of a replay = %v, want a HandshakeError with 425", e)
	}
}

// holdBack stands between a client and the server, and gives the client no answer
// before it has sent early data. A replay passes on nothing but that and what came
// before: all that can be recorded and of use.
func holdBack(t *testing.T, server string, replay bool) (addr string) {
	t.Helper()
	front, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	back, err := net.Dial("udp", server)
	if err != nil {
		t.Fatal(err)
	}
	var done sync.WaitGroup
	client := make(chan net.Addr, 1)
	done.Go(func() {
		p := make([]byte, 2<<10)
		var seen bool
		for {
			n, from, err := front.ReadFrom(p)
			if err != nil {
				return
			}
			early := hasEarlyData(p[:n])
			if early || !seen || !replay {
				_, _ = back.Write(p[:n])
			}
			if early && !seen {
				seen = true
				client <- from
			}
		}
	})
	stop := make(chan struct{})
	done.Go(func() {
		p := make([]byte, 2<<10)
		var to net.Addr
		select {
		case to = <-client:
		case <-stop:
			return
		}
		for {
			n, err := back.Read(p)
			if err != nil {
				return
			}
			_, _ = front.WriteTo(p[:n], to)
		}
	})
	t.Cleanup(func() {
		close(stop)
		front.Close()
		back.Close()
		done.Wait()
	})
	return front.LocalAddr().String()
}

// hasEarlyData reports whether there is a packet of type 0-RTT in a datagram: alone or
// behind an Initial packet (RFC 9000, sections 12.2 and 17.2).
func hasEarlyData(p []byte) bool {
	for len(p) > 0 && p[0]&0x80 != 0 {
		switch p[0] >> 4 & 3 {
		case 1:
			return true
		case 0:
		default:
			return false
		}
		p = p[5:]           // flags and version
		p = p[1+int(p[0]):] // destination
		p = p[1+int(p[0]):] // source
		for range 2 {       // token; packet number and payload
			size, n, err := quicvarint.Parse(p)
			if err != nil {
				return false
			}
			p = p[n+int(size):]
		}
	}
	return false
}
