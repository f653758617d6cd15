//go:build interop

package interop

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"

	"github.com/seed-15847954/ropewalk/websocket"
	"github.com/seed-15847954/ropewalk/websocket/wsh3"
)

// An h3Peer speaks WebSocket over HTTP/3 with the QUIC of aioquic.
type h3Peer struct{ *peer }

// An h3Answer is what the peer got for an extended CONNECT.
type h3Answer struct {
	Status      int
	Headers     map[string]string
	Extensions  string
	Subprotocol string
}

// An h3Ending is how the peer saw a tunnel end: by a FIN, or by what error code of a
// RESET_STREAM or a STOP_SENDING.
type h3Ending struct {
	ending
	End struct {
		Fin         bool
		Reset, Stop uint64
	}
}

func startH3Peer(t *testing.T) *h3Peer {
	t.Helper()
	return &h3Peer{startPeer(t, tool(t, filepath.Join("..", "build", "interop", "venv", "bin", "python")), "aioquic/peer.py")}
}

// open connects to a server and returns what it says of extended CONNECT.
func (p *h3Peer) open(url string, ca string) (setting int) {
	p.t.Helper()
	var got struct{ Connect int }
	p.do("open", map[string]any{"url": url, "ca": ca}, &got)
	return got.Connect
}

// dial opens a tunnel on the connection.
func (p *h3Peer) dial(url string, with map[string]any) h3Answer {
	p.t.Helper()
	all := map[string]any{"url": url}
	for k, v := range with {
		all[k] = v
	}
	var got h3Answer
	p.do("dial", all, &got)
	return got
}

// get does an ordinary request on the connection.
func (p *h3Peer) get(url string) (status int) {
	p.t.Helper()
	var got struct{ Status int }
	p.do("get", map[string]any{"url": url}, &got)
	return got.Status
}

// listen starts a server, which puts split bytes into each DATA frame.
func (p *h3Peer) listen(c *certificate, compress *deflate, split int) (url string) {
	p.t.Helper()
	var got struct{ Addr string }
	p.do("listen", map[string]any{
		"cert": c.file, "key": c.keyFile, "compress": compress, "subprotocol": "chat.v2", "split": split,
	}, &got)
	return "wss://" + got.Addr + "/"
}

// accept waits for a tunnel and returns the header of its request.
func (p *h3Peer) accept() map[string]string {
	p.t.Helper()
	var got struct{ Headers map[string]string }
	p.do("accept", nil, &got)
	return got.Headers
}

func (p *h3Peer) close(code websocket.CloseCode, reason string) h3Ending {
	p.t.Helper()
	var got h3Ending
	p.do("close", map[string]any{"code": code, "reason": reason}, &got)
	return got
}

func (p *h3Peer) closed() h3Ending {
	p.t.Helper()
	var got h3Ending
	p.do("closed", nil, &got)
	return got
}

// fin ends the own direction without a Close frame, and waits for the other one.
func (p *h3Peer) fin() h3Ending {
	p.t.Helper()
	var got h3Ending
	p.do("fin", nil, &got)
	return got
}

// reset resets the tunnel.
func (p *h3Peer) reset() {
	p.t.Helper()
	p.do("reset", nil, nil)
}

// A certificate is for 127.0.0.1, and is its own authority.
type certificate struct {
	tls.Certificate
	pool          *x509.CertPool
	file, keyFile string
}

func newCertificate(t *testing.T) *certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(time.Hour),
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	c := &certificate{
		Certificate: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key},
		pool:        x509.NewCertPool(),
		file:        filepath.Join(dir, "cert.pem"),
		keyFile:     filepath.Join(dir, "key.pem"),
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	c.pool.AppendCertsFromPEM(certPEM)
	err = errors.Join(os.WriteFile(c.file, certPEM, 0o600), os.WriteFile(c.keyFile, keyPEM, 0o600))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// newH3Acceptor is newAcceptor over HTTP/3.
func newH3Acceptor(t *testing.T, c *certificate, opts *websocket.AcceptOptions) *acceptor {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a := &acceptor{
		url:   "wss://" + pc.LocalAddr().String() + "/",
		conns: make(chan *websocket.Conn, 1),
		errs:  make(chan error, 16),
	}
	srv := &http3.Server{
		TLSConfig:  &tls.Config{Certificates: []tls.Certificate{c.Certificate}},
		QUICConfig: wsh3.QUICConfig(),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, err := wsh3.Accept(w, r, opts)
			if err != nil {
				a.errs <- err
				return
			}
			a.conns <- c
		}),
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(pc) }()
	t.Cleanup(func() {
		srv.Close()
		pc.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("Serve: %v", err)
		}
	})
	return a
}

// readEnd reads to the end of c and returns what that was.
func readEnd(t *testing.T, c *websocket.Conn) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), stepTimeout)
	defer cancel()
	for {
		if _, _, err := c.Read(ctx); err != nil {
			return err
		}
	}
}

// clientConfig trusts the certificate.
func (c *certificate) clientConfig() *tls.Config { return &tls.Config{RootCAs: c.pool} }
