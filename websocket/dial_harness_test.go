package websocket_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-15847954/ropewalk/websocket/internal/handshake"
)

// An answerServer reads one request from each connection and sends an answer that
// the test wrote. Connections stay open until the test ends.
type answerServer struct {
	listener net.Listener
	answer   func(r *http.Request) string
	conns    chan net.Conn // those answered

	mu       sync.Mutex
	requests []*http.Request
	heads    []string // the requests' bytes
	open     []net.Conn
}

// answering starts an answerServer on 127.0.0.1.
func answering(t *testing.T, answer func(r *http.Request) string) *answerServer {
	t.Helper()
	return answeringOver(t, answer, func(c net.Conn) net.Conn { return c })
}

// answeringOver starts one that speaks through what wrap makes of a connection.
func answeringOver(t *testing.T, answer func(r *http.Request) string, wrap func(net.Conn) net.Conn) *answerServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &answerServer{listener: l, answer: answer, conns: make(chan net.Conn, 100)}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conn.SetDeadline(time.Now().Add(30 * time.Second))
			s.mu.Lock()
			s.open = append(s.open, conn)
			s.mu.Unlock()
			serving.Go(func() { s.serve(wrap(conn)) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		s.mu.Lock()
		for _, c := range s.open {
			c.Close()
		}
		s.mu.Unlock()
		serving.Wait()
	})
	return s
}

// serve answers one request. Where the answer is empty it closes the connection.
func (s *answerServer) serve(conn net.Conn) {
	var head strings.Builder
	in := bufio.NewReaderSize(io.TeeReader(conn, &head), 64<<10)
	r, err := http.ReadRequest(in)
	if err != nil {
		conn.Close()
		return
	}
	s.mu.Lock()
	s.requests = append(s.requests, r)
	s.heads = append(s.heads, head.String())
	s.mu.Unlock()
	answer := s.answer(r)
	if answer == "" {
		conn.Close()
		return
	}
	io.WriteString(conn, answer)
	if strings.HasPrefix(answer, "HTTP/1.1 101") {
		s.conns <- conn
	}
}

func (s *answerServer) url() string { return "ws://" + s.listener.Addr().String() + "/" }

func (s *answerServer) conn(t *testing.T) net.Conn {
	t.Helper()
	return <-s.conns
}

// seen returns the requests so far.
func (s *answerServer) seen() []*http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*http.Request(nil), s.requests...)
}

// acceptAnswer answers as section 4.2.2 says, edited as upgradeRequest is. In an
// edit, {accept} stands for the right Sec-WebSocket-Accept, and a line with "HTTP/"
// at its start replaces the status line.
func acceptAnswer(edits ...string) func(*http.Request) string {
	return func(r *http.Request) string {
		lines := []string{
			"HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Accept: {accept}",
		}
		for _, edit := range edits {
			name, _, _ := strings.Cut(strings.TrimPrefix(edit, "-"), ":")
			at := len(lines)
			for i, line := range lines {
				if strings.HasPrefix(line, name+":") || i == 0 && strings.HasPrefix(edit, "HTTP/") {
					at = i
				}
			}
			switch {
			case edit[0] == '-':
				lines = append(lines[:at], lines[at+1:]...)
			case edit[0] == '+' || at == len(lines):
				lines = append(lines, strings.TrimPrefix(edit, "+"))
			default:
				lines[at] = edit
			}
		}
		answer := strings.Join(lines, "\r\n") + "\r\n\r\n"
		return strings.ReplaceAll(answer, "{accept}", handshake.Accept(r.Header.Get("Sec-WebSocket-Key")))
	}
}

// fixedAnswer always sends the same.
func fixedAnswer(answer string) func(*http.Request) string {
	return func(*http.Request) string { return answer }
}

// certificateFor returns a certificate signed by itself, and a pool that trusts it.
func certificateFor(t *testing.T, notAfter time.Time, names ...string) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"},
		NotBefore: notAfter.Add(-24 * time.Hour), NotAfter: notAfter,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, BasicConstraintsValid: true, IsCA: true,
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// overTLS wraps connections for answeringOver.
func overTLS(config *tls.Config) func(net.Conn) net.Conn {
	return func(c net.Conn) net.Conn { return tls.Server(c, config) }
}
