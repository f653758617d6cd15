package websocket

import (
	"context"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-15847954/ropewalk/websocket/frame"
	"github.com/seed-15847954/ropewalk/websocket/internal/deflate"
	"github.com/seed-15847954/ropewalk/websocket/internal/protocol"
)

// A MessageType says what a message holds (RFC 6455, section 5.6).
type MessageType uint8

// The two types of messages.
const (
	Text   = MessageType(frame.Text)   // UTF-8, checked on the way in and out
	Binary = MessageType(frame.Binary) // any bytes
)

// String returns "text" or "binary".
func (t MessageType) String() string { return frame.Opcode(t).String() }

// A Conn is one WebSocket connection, of a server or a client. [Accept], [Dial]
// and [NewConn] make one.
//
// All methods may be called at once. One goroutine reads at a time: others that
// read wait for it. Messages are sent one after another, never mixed.
//
// Somebody must read, for it is the reader that answers pings, takes in pongs
// and notices that the peer closes. An application that only sends calls
// [Conn.CloseRead].
//
// A context bounds one call, not the connection: when it ends, the call returns
// and the connection lives on. Reading resumes where it was. A message of which
// nothing was sent is given up; one that was begun is finished by the connection,
// and the call returns [ErrUnfinishedWrite].
//
// When the connection has ended, every method returns an error that wraps a
// [CloseError]. Release a Conn by Close or CloseNow; an error of Read that wraps
// a CloseError has released it already.
type Conn struct {
	// Constant after NewConn.
	role        Role
	compressed  bool // permessage-deflate is in use
	draining    bool // owned by the holder of reading: Close has taken over and discards
	subprotocol string
	cfg         *config

	// Owned by the holder of reading.
	reading    lock
	*receiving                    // nil while a socket or a loop waits between two messages
	inflater   *protocol.Inflater // nil: no permessage-deflate
	readErr    *CloseError        // set when reading has come to its end

	// What the connection reads from and writes to: a transport until a loop takes it
	// over, from then on a polled.
	transport atomic.Pointer[transport]
	polled    atomic.Pointer[polled]

	// Set by Handle, before the first event.
	handler EventHandler
	events  atomic.Bool // Handle was called

	out   outbox
	pings atomic.Pointer[pings] // nil until Ping is called

	// How it ends. The first cause stays; see close.go.
	mu        sync.Mutex
	life      *life                      // guarded by mu: nil stands for the background
	awaited   map[*signal]chan struct{}  // guarded by mu: closed when the signal happens
	final     atomic.Pointer[CloseError] // set with mu held
	after     *CloseError                // guarded by mu: what else happened, once final was set
	gone      bool                       // guarded by mu: end has begun
	noWorkers bool                       // guarded by mu
	gotClose  signal                     // the peer's Close frame came
	sentClose signal                     // the own Close frame is out
	ended     signal                     // the transport is closed
	lingering atomic.Bool                // only the end of the transport is awaited
	workers   sync.WaitGroup             // goroutines of the connection; they end soon after ended
}

// NewConn makes a connection of a stream on which an opening handshake has
// agreed params: for transports and tunnels that bring their own handshake, and
// for tests. It takes over the stream and closes it.
//
// If stream has SetReadDeadline and SetWriteDeadline (as net.Conn does), calls
// are interrupted through them; else a goroutine reads on their behalf. If it has
// CloseWrite, that is called before Close, so that the peer sees an orderly end.
func NewConn(stream io.ReadWriteCloser, role Role, params Params) *Conn {
	c := &Conn{
		role:        role,
		subprotocol: params.Subprotocol,
		compressed:  params.Deflate != nil,
		cfg:         params.config(),
	}
	if ctx := params.Context; ctx != nil && ctx != context.Background() {
		c.life = &life{ctx: params.Context}
	}
	c.transport.Store(newTransport(stream))
	c.startReceiving(protocol.Flood{})
	c.input = input{buf: params.Received, end: len(params.Received), now: time.Now()}
	var compressor *deflate.Compressor
	var bits int
	if d := params.Deflate; d != nil {
		var peerBits int
		bits, peerBits = d.ServerMaxWindowBits, d.ClientMaxWindowBits
		takeover, peerTakeover := !d.ServerNoContextTakeover, !d.ClientNoContextTakeover
		if role == Client {
			bits, peerBits = peerBits, bits
			takeover, peerTakeover = peerTakeover, takeover
		}
		compressor = deflate.NewCompressor(bits, takeover)
		c.inflater = protocol.NewInflater(peerBits, peerTakeover,
			orDefault(params.Limits.MaxMessageSize, defaultMessageSize),
			orDefault(params.Limits.MaxDecompressionRatio, defaultDecompressionRatio))
	}
	var key func() uint32
	if role == Client {
		key = maskKey
	}
	c.out.enc.Init(key, compressor, bits, c.cfg.threshold)
	c.transport.Load().keepalive.start(c)
	return c
}

// Subprotocol returns the subprotocol that the opening handshake agreed, or "".
func (c *Conn) Subprotocol() string { return c.subprotocol }

// Role returns the side that c plays.
func (c *Conn) Role() Role { return c.role }

// Compressed reports whether permessage-deflate is in use (RFC 7692).
func (c *Conn) Compressed() bool { return c.compressed }

// Context returns a context that is cancelled when the connection ends or starts
// to be closed, with the *CloseError as its cause. It has the values of the
// request's context on a server, and those of Params.Context with NewConn.
func (c *Conn) Context() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.life == nil {
		c.life = &life{ctx: context.Background()}
	}
	l := c.life
	if l.cancel == nil {
		l.ctx, l.cancel = context.WithCancelCause(context.WithoutCancel(l.ctx))
		if final := c.final.Load(); final != nil {
			l.cancel(final)
		}
	}
	return l.ctx
}

// A life is what Context returns, or until it is called, what that has its values
// from.
type life struct {
	ctx    context.Context
	cancel context.CancelCauseFunc // nil until Context is called
}

// LocalAddr returns the local address of the stream, or nil if it has none.
func (c *Conn) LocalAddr() net.Addr {
	t, p := c.current()
	if p != nil {
		return p.LocalAddr()
	}
	if s, ok := t.stream.(interface{ LocalAddr() net.Addr }); ok {
		return s.LocalAddr()
	}
	return nil
}

// RemoteAddr returns the address of the stream's other end, or nil if it has none.
func (c *Conn) RemoteAddr() net.Addr {
	t, p := c.current()
	if p != nil {
		return p.RemoteAddr()
	}
	if s, ok := t.stream.(interface{ RemoteAddr() net.Addr }); ok {
		return s.RemoteAddr()
	}
	return nil
}

// acquire takes l, unless ctx ends or the connection does.
func (c *Conn) acquire(ctx context.Context, l *lock) error {
	if !l.try() && !l.acquire(ctx.Done(), c.wait(&c.ended)) {
		if ctx.Err() != nil {
			return c.gaveUp(ctx)
		}
		return c.err()
	}
	if err := ctx.Err(); err != nil {
		l.release()
		return c.gaveUp(ctx)
	}
	return nil
}
