package wsh3_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/seed-15847954/ropewalk/websocket"
	"github.com/seed-15847954/ropewalk/websocket/wsh3"
)

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// waiting returns a context for one test.
func waiting(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// certificate is for 127.0.0.1 and localhost, with the pool that trusts it.
var certificate = sync.OnceValues(func() (tls.Certificate, *x509.CertPool) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(time.Hour),
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
		DNSNames:              []string{"localhost"},
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: parsed}, pool
})

func serverTLS() *tls.Config {
	own, _ := certificate()
	return &tls.Config{Certificates: []tls.Certificate{own}, NextProtos: []string{http3.NextProtoH3}}
}

func clientTLS() *tls.Config {
	_, pool := certificate()
	return &tls.Config{RootCAs: pool, NextProtos: []string{http3.NextProtoH3}, ServerName: "127.0.0.1"}
}

// A server is an http3.Server of a test.
type server struct {
	*http3.Server
	addr string // host:port
	pc   net.PacketConn
	done chan struct{}
}

func (s *server) url() string { return "wss://" + s.addr + "/" }

// serve starts a server that ends with the test.
func serve(t *testing.T, handler http.Handler, change ...func(*http3.Server)) *server {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{
		Server: &http3.Server{TLSConfig: serverTLS(), QUICConfig: wsh3.QUICConfig(), Handler: handler},
		addr:   pc.LocalAddr().String(),
		pc:     pc,
		done:   make(chan struct{}),
	}
	for _, f := range change {
		f(s.Server)
	}
	go func() {
		defer close(s.done)
		if err := s.Serve(pc); !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("Serve: %v", err)
		}
	}()
	t.Cleanup(func() {
		s.Close()
		pc.Close()
		<-s.done
	})
	return s
}

// accepted starts a server whose connections come out of the channel, and end with
// the test.
func accepted(t *testing.T, opts *websocket.AcceptOptions, change ...func(*http3.Server)) (*server, <-chan *websocket.Conn) {
	t.Helper()
	conns := make(chan *websocket.Conn, 200)
	s := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := wsh3.Accept(w, r, opts)
		if err != nil {
			return
		}
		t.Cleanup(func() { c.CloseNow() })
		conns <- c
	}), change...)
	return s, conns
}

// echo is a handler that sends back what it gets.
func echo(opts *websocket.AcceptOptions) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := wsh3.Accept(w, r, opts)
		if err != nil {
			return
		}
		defer c.CloseNow()
		for {
			typ, p, err := c.Read(context.Background())
			if err != nil {
				return
			}
			if err := c.Write(context.Background(), typ, p); err != nil {
				return
			}
		}
	})
}

// transport returns a Transport that trusts the servers of the tests and ends with
// the test.
func transport(t *testing.T) *wsh3.Transport {
	t.Helper()
	tr := &wsh3.Transport{TLSConfig: clientTLS()}
	t.Cleanup(func() {
		if err := tr.Close(); err != nil {
			t.Errorf("Transport.Close: %v", err)
		}
	})
	return tr
}

// dial opens a WebSocket that ends with the test.
func dial(t *testing.T, url string, opts *websocket.DialOptions) *websocket.Conn {
	t.Helper()
	if opts == nil {
		opts = &websocket.DialOptions{}
	}
	if opts.Connector == nil {
		opts.Connector = transport(t)
	}
	c, _, err := websocket.Dial(waiting(t), url, opts)
	if err != nil {
		t.Fatalf("Dial: %v", err)
	}
	t.Cleanup(func() { c.CloseNow() })
	return c
}

// pair opens a WebSocket between the two sides.
func pair(t *testing.T) (client, server *websocket.Conn) {
	t.Helper()
	s, conns := accepted(t, nil)
	return dial(t, s.url(), nil), receive(t, conns)
}

// receive takes a value from a channel, in patience.
func receive[T any](t *testing.T, ch <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-ch:
	case <-time.After(patience):
		t.Fatal("nothing has come")
	}
	return v
}

// wantEcho sends p and wants it back.
func wantEcho(t *testing.T, c *websocket.Conn, typ websocket.MessageType, p []byte) {
	t.Helper()
	ctx := waiting(t)
	if err := c.Write(ctx, typ, p); err != nil {
		t.Fatalf("Write: %v", err)
	}
	gotType, got, err := c.Read(ctx)
	if err != nil || gotType != typ || string(got) != string(p) {
		t.Fatalf("Read = %v, %d bytes, %v, want %v, %d bytes", gotType, len(got), err, typ, len(p))
	}
}

// closeError wants that err is of a connection that has ended, and returns how.
func closeError(t *testing.T, err error) *websocket.CloseError {
	t.Helper()
	e, ok := errors.AsType[*websocket.CloseError](err)
	if !ok {
		t.Fatalf("error = %v, want a CloseError", err)
	}
	return e
}

// cancelled is H3_REQUEST_CANCELLED.
const cancelled = quic.StreamErrorCode(http3.ErrCodeRequestCanceled)
