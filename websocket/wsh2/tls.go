package wsh2

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
)

// startTLS does the TLS handshake on raw, which it closes on an error. That the
// server speaks HTTP/2 is agreed by ALPN (RFC 9113, section 3.2).
func (t *Transport) startTLS(ctx context.Context, raw net.Conn, to target) (net.Conn, error) {
	config := &tls.Config{}
	if t.TLSConfig != nil {
		config = t.TLSConfig.Clone()
	}
	// A server that speaks only HTTP/1.1 says so instead of failing the handshake.
	config.NextProtos = []string{"h2", "http/1.1"}
	if config.ServerName == "" {
		config.ServerName = serverName(to.address)
	}
	secured := tls.Client(raw, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = raw.Close() // the error that counts is err
		return nil, fmt.Errorf("wsh2: TLS handshake: %w", err)
	}
	if got := secured.ConnectionState().NegotiatedProtocol; got != "h2" {
		_ = raw.Close() // there is no use for it
		return nil, noExtendedConnect(fmt.Sprintf("it chose %.20q and not h2", got))
	}
	return secured, nil
}
