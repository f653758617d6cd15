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

// ErrTransportClosed says that the [Transport] has been closed.
var ErrTransportClosed = errors.New("wsh3: the Transport is closed")

// A Transport opens WebSockets over HTTP/3: a [websocket.Connector] for
// DialOptions.Connector. It keeps the QUIC connections and shares each among the
// WebSockets to one host and port. The zero value is ready for use; fields are not
// changed after that. Methods may be called at once by many goroutines. It is
// released by Close.
//
// Of DialOptions, TLSConfig, NetDialContext and Proxy are not used with it: QUIC goes
// to the server directly.
type Transport struct {
	// TLSConfig is for all connections. Nil means the defaults of crypto/tls. An empty
	// ServerName means the URL's host; NextProtos is always h3.
	TLSConfig *tls.Config

	// QUICConfig is for all connections. Nil means that of the function QUICConfig.
	// MaxIncomingStreams is not looked at: a server opens none.
	QUICConfig *quic.Config

	// Dial opens a QUIC connection to address, a host and a port. Nil means that names
	// are looked up by net.DefaultResolver and all connections share one UDP socket.
	// The handshake must be complete when it returns.
	Dial func(ctx context.Context, address string, t *tls.Config, q *quic.Config) (*quic.Conn, error)

	// MaxStreams is the number of WebSockets that a connection carries before another
	// one is opened. Where a server allows fewer, Connect waits for one to end.
	// Zero means 100; a negative value means no bound.
	MaxStreams int

	// IdleTimeout is how long a connection without WebSockets is kept for the next
	// one. Zero means 90 seconds; a negative value means until Close.
	IdleTimeout time.Duration

	mu     sync.Mutex
	closed bool                    // guarded by mu
	http   *http3.Transport        // guarded by mu; nil before the first connection
	socket *quic.Transport         // guarded by mu; nil where Dial is set
	pool   map[string][]*conn      // guarded by mu: connections for new streams, by address
	alive  map[*conn]struct{}      // guarded by mu: all that are open or being opened
	cancel context.CancelCauseFunc // guarded by mu: of ctx
	ctx    context.Context         // of dials; set before the first
	dials  sync.WaitGroup
}

var (
	_ websocket.Connector = (*Transport)(nil)
	_ io.Closer           = (*Transport)(nil)
)

// Connect implements [websocket.Connector]. It waits for the server's SETTINGS (RFC
// 9220, section 3; RFC 8441, section 3) before it sends r. The error wraps
// [websocket.ErrNoExtendedConnect] if the server does not offer extended CONNECT, and
// for URLs other than https: there is no HTTP/3 without TLS.
func (t *Transport) Connect(ctx context.Context, r *http.Request) (*http.Response, io.ReadWriteCloser, error) {
	if r.URL.Scheme != "https" {
		return nil, nil, fmt.Errorf("wsh3: HTTP/3 to an %s URL: %w", r.URL.Scheme, websocket.ErrNoExtendedConnect)
	}
	address := r.URL.Host
	if r.URL.Port() == "" {
		address = net.JoinHostPort(r.URL.Hostname(), "443")
	}
	for first := true; ; first = false {
		c, err := t.reserve(address)
		if err != nil {
			return nil, nil, err
		}
		resp, stream, err := c.connect(ctx, r)
		if err == nil {
			return resp, stream, nil
		}
		c.release()
		// The server has ended the connection, or is about to, and did not look at the
		// request (RFC 9114, sections 4.1.1 and 5.2).
		unsent, ok := errors.AsType[*unsentError](err)
		if ok {
			t.retire(c)
			err = unsent.error
		}
		if !ok || !first || ctx.Err() != nil {
			return nil, nil, fmt.Errorf("wsh3: %w", err)
		}
	}
}

// Close ends all connections at once, and their WebSockets with them, and returns when
// nothing of them is left. The Transport cannot be used afterwards.
func (t *Transport) Close() error {
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return nil
	}
	t.closed = true
	alive := t.alive
	t.alive, t.pool = nil, nil
	if t.cancel != nil {
		t.cancel(ErrTransportClosed)
	}
	socket := t.socket
	t.mu.Unlock()
	t.dials.Wait()
	for c := range alive {
		c.close()
	}
	if socket == nil {
		return nil
	}
	return errors.Join(socket.Close(), socket.Conn.Close())
}

// reserve returns a connection to address with room for a stream. It may be one
// that is being opened. The caller releases it.
func (t *Transport) reserve(address string) (*conn, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, ErrTransportClosed
	}
	for _, c := range t.pool[address] {
		if c.take() {
			return c, nil
		}
	}
	if err := t.init(); err != nil {
		return nil, err
	}
	c := &conn{transport: t, address: address, ready: make(chan struct{})}
	c.take()
	t.pool[address] = append(t.pool[address], c)
	t.alive[c] = struct{}{}
	t.dials.Go(c.dial)
	return c, nil
}

// init makes what all connections share. The caller holds mu.
func (t *Transport) init() error {
	if t.http != nil {
		return nil
	}
	if t.Dial == nil {
		udp, err := net.ListenUDP("udp", nil)
		if err != nil {
			return fmt.Errorf("wsh3: open socket: %w", err)
		}
		t.socket = &quic.Transport{Conn: udp}
	}
	t.ctx, t.cancel = context.WithCancelCause(context.Background())
	t.pool = make(map[string][]*conn)
	t.alive = make(map[*conn]struct{})
	// A tunnel is not compressed as a whole.
	t.http = &http3.Transport{DisableCompression: true, MaxResponseHeaderBytes: maxResponseHeader}
	return nil
}

// maxResponseHeader is the largest header of an answer, in bytes.
const maxResponseHeader = 64 << 10

// retire takes c out of the pool. Its streams go on.
func (t *Transport) retire(c *conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, other := range t.pool[c.address] {
		if other == c {
			t.pool[c.address] = append(t.pool[c.address][:i:i], t.pool[c.address][i+1:]...)
		}
	}
	if len(t.pool[c.address]) == 0 {
		delete(t.pool, c.address)
	}
}

// forget is for a connection that has ended.
func (t *Transport) forget(c *conn) {
	t.retire(c)
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.alive, c)
}

// orDefault gives an option its meaning: zero is the default, and a negative value
// means that there is none.
func orDefault[T int | time.Duration](value, byDefault T) (T, bool) {
	if value == 0 {
		value = byDefault
	}
	return value, value > 0
}
