package wsh2

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

	"github.com/seed-15847954/ropewalk/websocket"
)

// A Transport opens streams for WebSocket connections by extended CONNECT (RFC 8441,
// section 5), on HTTP/2 connections that it keeps and shares. It implements
// [websocket.Connector].
//
// The zero value is ready. A Transport must not be copied, and its fields must not
// be changed once it is in use. Its methods may be called at once.
type Transport struct {
	// TLSConfig is for https. Nil means the defaults of crypto/tls. An empty
	// ServerName means the URL's host. NextProtos is always h2 and http/1.1. It holds
	// for every server that a Dial is redirected to as well: one with client
	// certificates is best used with MaxRedirects: -1.
	TLSConfig *tls.Config

	// DialContext opens the TCP connection to a host and port: through a proxy,
	// say. Nil means that of the zero net.Dialer.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)

	// DialTimeout bounds the opening of an HTTP/2 connection: name, TCP, TLS and the
	// server's SETTINGS. It is shared by all that wait for it, whose contexts bound
	// their own wait. Zero means 30 seconds; a negative value means no bound.
	DialTimeout time.Duration

	// MaxResponseHeader is the largest header, in bytes as RFC 9113, section 6.5.2
	// counts them, of an answer. Zero means 64 KiB. At most 1 GiB.
	MaxResponseHeader int

	// StreamWindow is how many bytes a server may send on a stream ahead of the
	// reader, and so the memory that a stream which nobody reads costs. A stream that
	// is not read holds up no other. Zero means 256 KiB. At least 64 KiB and at most
	// 16 MiB.
	StreamWindow int

	// IdleTimeout is how long a connection without streams is kept.
	// Zero means 90 seconds; a negative value means that it is kept until the server
	// or Close ends it.
	IdleTimeout time.Duration

	// PingInterval is the time without anything from the server after which it is
	// sent a PING. If nothing comes for PingTimeout then, the connection has failed,
	// and with it its streams. Zero means 30 seconds; a negative value means never.
	PingInterval time.Duration

	// PingTimeout is described at PingInterval. Zero means 15 seconds.
	PingTimeout time.Duration

	mu      sync.Mutex
	closed  bool
	pools   map[target]*pool
	without map[target]time.Time // when the server last declined HTTP/2
	running sync.WaitGroup       // goroutines
}

var _ websocket.Connector = (*Transport)(nil)

// A target is what connections are shared by.
type target struct {
	secure  bool
	address string // host:port
}

// A pool holds the connections to one target.
type pool struct {
	conns   []*conn
	dialing *dialing // nil if no connection is being opened
}

// ErrClosed says that the Transport has been closed.
var ErrClosed = fmt.Errorf("wsh2: transport is closed: %w", net.ErrClosed)

// maxAttempts bounds how often a request is sent that servers say they have not
// looked at.
const maxAttempts = 3

// Connect implements [websocket.Connector]. It uses a connection to r.URL.Host that
// is open, or opens one: with TLS for https, and for http with prior knowledge that
// the server speaks HTTP/2. It waits for the server's SETTINGS before it sends the
// request (RFC 8441, section 3). The error wraps [websocket.ErrNoExtendedConnect] if
// the server does not speak HTTP/2, or does not offer extended CONNECT; a server
// without HTTP/2 is then not asked again for a minute.
//
// Where the server's MAX_CONCURRENT_STREAMS leaves no room, another connection is
// opened. A request that a server has not processed, says its GOAWAY or
// REFUSED_STREAM, is sent again, three times at most.
//
// The stream has LocalAddr, RemoteAddr, CloseWrite and deadlines as a net.Conn. One
// goroutine may read and one may write while others call the rest. Closing it resets
// it (CANCEL), unless the server has ended it.
func (t *Transport) Connect(ctx context.Context, r *http.Request) (*http.Response, io.ReadWriteCloser, error) {
	req, err := newRequest(r)
	if err != nil {
		return nil, nil, err
	}
	for attempt := 1; ; attempt++ {
		c, err := t.reserve(ctx, req.target)
		if err != nil {
			return nil, nil, err
		}
		resp, stream, err := c.connect(ctx, r, req)
		if errors.Is(err, errNotProcessed) && attempt < maxAttempts && ctx.Err() == nil {
			continue
		}
		if stream == nil { // a nil *stream is no nil interface
			return resp, nil, err
		}
		return resp, stream, err
	}
}

// CloseIdleConnections closes the connections that have no streams.
func (t *Transport) CloseIdleConnections() {
	for _, c := range t.conns() {
		c.closeIfIdle()
	}
}

// Close closes all connections, and with them their streams, and waits until that
// is done. Connect returns ErrClosed from then on. It always returns nil.
func (t *Transport) Close() error {
	t.mu.Lock()
	t.closed = true
	for _, p := range t.pools {
		if p.dialing != nil {
			p.dialing.cancel()
		}
	}
	t.mu.Unlock()
	for _, c := range t.conns() {
		c.shut(ErrClosed)
	}
	t.running.Wait()
	return nil
}

// conns returns all connections.
func (t *Transport) conns() []*conn {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []*conn
	for _, p := range t.pools {
		all = append(all, p.conns...)
	}
	return all
}

// orDefault returns def for zero.
func orDefault[T int | time.Duration](v, def T) T {
	if v == 0 {
		return def
	}
	return v
}

func (t *Transport) streamWindow() int64 {
	return int64(min(max(orDefault(t.StreamWindow, 256<<10), 64<<10), 16<<20))
}

func (t *Transport) maxHeader() uint32 {
	return uint32(min(max(orDefault(t.MaxResponseHeader, 64<<10), 1<<10), 1<<30))
}
