package main

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
	"net/url"
	"time"

	"github.com/quic-go/quic-go/http3"

	"github.com/seed-15847954/ropewalk/websocket"
	"github.com/seed-15847954/ropewalk/websocket/wsh2"
	"github.com/seed-15847954/ropewalk/websocket/wsh3"
	_ "github.com/seed-15847954/ropewalk/websocket/xconnect"
)

// acceptEcho sends every message of one connection back.
func acceptEcho(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		Compression: &websocket.Compression{},
		Limits:      websocket.Limits{MaxMessageSize: maxMessage},
	})
	if err != nil {
		return // the client was told
	}
	defer c.CloseNow()
	_ = echo(context.Background(), c) // the suite judges how it ends
}

// serveHTTP2 echoes over HTTP/2 without TLS, behind a relay with the address that it
// returns, until stop is called.
func serveHTTP2() (addr string, stop func() error, err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{Handler: http.HandlerFunc(acceptEcho), Protocols: new(http.Protocols)}
	server.Protocols.SetUnencryptedHTTP2(true)
	go func() { _ = server.Serve(listener) }() // until it is closed
	transport := &wsh2.Transport{}
	target := &url.URL{Scheme: "http", Host: listener.Addr().String()}
	addr, stopRelay, err := serveRelay(&relay{transport, target})
	return addr, func() error {
		return errors.Join(stopRelay(), transport.Close(), server.Close())
	}, err
}

// serveHTTP3 is serveHTTP2 for HTTP/3.
func serveHTTP3() (addr string, stop func() error, err error) {
	pair, pool, err := newCertificate()
	if err != nil {
		return "", nil, err
	}
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	server := &http3.Server{
		TLSConfig:  &tls.Config{Certificates: []tls.Certificate{pair}},
		QUICConfig: wsh3.QUICConfig(),
		Handler:    wsh3.Handler(http.HandlerFunc(acceptEcho)),
	}
	go func() { _ = server.Serve(conn) }() // until it is closed
	transport := &wsh3.Transport{TLSConfig: &tls.Config{RootCAs: pool}}
	target := &url.URL{Scheme: "https", Host: conn.LocalAddr().String()}
	addr, stopRelay, err := serveRelay(&relay{transport, target})
	return addr, func() error {
		return errors.Join(stopRelay(), transport.Close(), server.Close(), conn.Close())
	}, err
}

// newCertificate returns one for 127.0.0.1, and the pool that trusts it.
func newCertificate() (tls.Certificate, *x509.CertPool, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(24 * time.Hour),
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool, nil
}
