package wsh3

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"

	"github.com/seed-15847954/ropewalk/websocket"
)

// A conn is a QUIC connection of a Transport.
type conn struct {
	// Constant.
	transport *Transport
	address   string

	// Set before ready is closed.
	quic  *quic.Conn
	http  *http3.ClientConn
	err   error // of the dial
	ready chan struct{}

	mu      sync.Mutex
	streams int         // guarded by mu: reserved or open
	idle    *time.Timer // guarded by mu: closes the connection
	retired bool        // guarded by mu: takes no more streams
}

// An unsentError says that the server has not looked at the request.
type unsentError struct{ error }

// take reserves a stream, if there is room for one.
func (c *conn) take() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	bound, bounded := orDefault(c.transport.MaxStreams, maxStreams)
	if c.retired || bounded && c.streams >= bound {
		return false
	}
	if c.idle != nil {
		c.idle.Stop()
		c.idle = nil
	}
	c.streams++
	return true
}

// release gives a stream back.
func (c *conn) release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.streams--
	if timeout, bounded := orDefault(c.transport.IdleTimeout, 90*time.Second); c.streams == 0 && bounded && !c.retired {
		c.idle = time.AfterFunc(timeout, c.closeIdle)
	}
}

// closeIdle closes c if nobody has taken it meanwhile.
func (c *conn) closeIdle() {
	c.mu.Lock()
	if c.streams > 0 {
		c.mu.Unlock()
		return
	}
	c.retired = true
	c.mu.Unlock()
	c.close()
}

// forget is for a connection that has ended.
func (c *conn) forget() {
	c.mu.Lock()
	c.retired = true
	if c.idle != nil {
		c.idle.Stop()
	}
	c.mu.Unlock()
	c.transport.forget(c)
}

// close ends the connection and what is on it. The dial is over, or about to be.
func (c *conn) close() {
	<-c.ready
	if c.quic != nil {
		_ = c.quic.CloseWithError(quic.ApplicationErrorCode(http3.ErrCodeNoError), "") // always nil
	}
}

// dial opens the connection, for all who wait for it.
func (c *conn) dial() {
	t := c.transport
	defer close(c.ready)
	config := &tls.Config{}
	if t.TLSConfig != nil {
		config = t.TLSConfig.Clone()
	}
	config.NextProtos = []string{http3.NextProtoH3}
	host, _, err := net.SplitHostPort(c.address)
	if config.ServerName == "" {
		config.ServerName = host
	}
	settings := QUICConfig()
	if t.QUICConfig != nil {
		settings = t.QUICConfig.Clone()
	}
	settings.MaxIncomingStreams = -1 // RFC 9114, section 6.1: a server opens none
	dial := t.Dial
	if dial == nil {
		dial = t.dialUDP
	}
	if err == nil {
		c.quic, err = dial(t.ctx, c.address, config, settings)
	}
	if err != nil {
		c.err = fmt.Errorf("dial QUIC: %w", err)
		c.forget()
		return
	}
	c.http = t.http.NewClientConn(c.quic)
	context.AfterFunc(c.quic.Context(), c.forget)
}

// dialUDP tries the addresses of a host in the resolver's order.
func (t *Transport) dialUDP(ctx context.Context, address string, config *tls.Config, settings *quic.Config) (*quic.Conn, error) {
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	port, err := net.DefaultResolver.LookupPort(ctx, "udp", service)
	if err != nil {
		return nil, err
	}
	addresses, err := net.DefaultResolver.LookupIPAddr(ctx, host)
	if err != nil {
		return nil, err
	}
	var failed []error
	for _, a := range addresses {
		c, err := t.socket.Dial(ctx, &net.UDPAddr{IP: a.IP, Port: port, Zone: a.Zone}, config, settings)
		if err == nil {
			return c, nil
		}
		failed = append(failed, err)
	}
	return nil, errors.Join(failed...)
}

// connect sends r on a stream of its own and returns the answer, and the stream if
// that opens the tunnel. What it returns without an error releases c.
func (c *conn) connect(ctx context.Context, r *http.Request) (*http.Response, io.ReadWriteCloser, error) {
	if err := c.await(ctx); err != nil {
		return nil, nil, err
	}
	str, err := c.http.OpenRequestStream(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
		return nil, nil, &unsentError{err}
	}
	stop := context.AfterFunc(ctx, func() { reset(str) })
	resp, err := exchange(str, r)
	if !stop() {
		err = ctx.Err() // the stream is reset
	}
	if err != nil {
		reset(str)
		if e, ok := errors.AsType[*http3.Error](err); ok && e.ErrorCode == http3.ErrCodeRequestRejected {
			err = &unsentError{err}
		}
		return nil, nil, err
	}
	state := c.quic.ConnectionState().TLS
	resp.Request, resp.TLS = r, &state
	// RFC 9110, section 9.3.6, has a client ignore it, and quic-go does not.
	if _, found := resp.Header["Content-Length"]; found && resp.StatusCode/100 == 2 {
		reset(str)
		return nil, nil, errors.New("the answer that opens the tunnel has a Content-Length")
	}
	stream := newClientStream(str, c.quic.LocalAddr(), c.quic.RemoteAddr(), c.release)
	if resp.StatusCode/100 == 2 {
		resp.Body = http.NoBody
		return resp, stream, nil
	}
	_ = stream.CloseWrite() // the server has decided
	resp.Body = stream
	return resp, nil, nil
}

// await waits until the server has said in its SETTINGS that extended CONNECT is to be
// had.
func (c *conn) await(ctx context.Context) error {
	select {
	case <-c.ready:
	case <-ctx.Done():
		return ctx.Err()
	}
	if c.err != nil {
		return c.err
	}
	over := c.quic.Context()
	select {
	case <-c.http.ReceivedSettings():
	case <-over.Done():
		return &unsentError{context.Cause(over)}
	case <-ctx.Done():
		return ctx.Err()
	}
	if !c.http.Settings().EnableExtendedConnect {
		return websocket.ErrNoExtendedConnect
	}
	return nil
}

// maxInterim is the number of interim answers (1xx) that are passed over.
const maxInterim = 5

// exchange sends r and reads the answer.
func exchange(str *http3.RequestStream, r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	if _, ok := r.Header["User-Agent"]; !ok {
		r.Header["User-Agent"] = nil // quic-go would name itself
	}
	if err := str.SendRequestHeader(r); err != nil {
		return nil, fmt.Errorf("send request: %w", err)
	}
	for range maxInterim + 1 {
		resp, err := str.ReadResponse()
		if err != nil {
			return nil, fmt.Errorf("read answer: %w", err)
		}
		// RFC 9114, section 4.5: 101 means nothing here, so it is no interim answer.
		if resp.StatusCode/100 != 1 || resp.StatusCode == http.StatusSwitchingProtocols {
			return resp, nil
		}
	}
	return nil, errors.New("read answer: too many interim answers")
}

// reset gives str up. It ends writing first: a read that ends has quic-go reset the
// rest with a code of its own.
func reset(str *http3.RequestStream) {
	str.CancelWrite(cancelled)
	str.CancelRead(cancelled)
}
