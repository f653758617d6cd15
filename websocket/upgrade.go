package websocket

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/seed-15847954/ropewalk/websocket/internal/handshake"
)

// Upgrade reads the opening handshake of a client from conn, a connection that
// the caller's own listener has accepted, answers it as [Accept] does, and returns
// the connection and the request. It is for servers that speak nothing but
// WebSocket on their port: without an HTTP server a handshake costs half the CPU.
//
// The request has at most 16 KiB and arrives, is decided about and answered within
// HandshakeTimeout. Its form is checked by the letter of RFC 9112, more strictly
// than by net/http. If conn is a *tls.Conn its handshake is done first, within the
// same time. The *http.Request has no body; its context is ctx.
//
// A request that is not an acceptable handshake is answered with the status, header
// and text that Accept gives, or with 400 where it is no HTTP, 408 where it takes
// too long, 431 where it is too large, 505 for other versions of HTTP. The
// error is then a *HandshakeError. Any other error is that of conn: it wraps
// io.EOF where the client has sent nothing. When ctx ends before Upgrade returns,
// the error wraps the context's. On every error Upgrade has closed conn; after a
// refusal it first waits for the client to close, at most a second, for else the
// client might not get to read it.
//
// A nil opts means the zero value. ctx gives Conn.Context its values; when Upgrade
// has returned it has no other effect on the connection. Upgrade may be called at
// once by many goroutines with the same opts.
func Upgrade(ctx context.Context, conn net.Conn, opts *AcceptOptions) (*Conn, *http.Request, error) {
	if opts == nil {
		opts = &AcceptOptions{}
	}
	growStack(0)
	stop := interruptOn(ctx, conn)
	u := newUpgrade(ctx, conn, opts, opts.deadline(context.Background()))
	defer u.release()
	err := u.do()
	if !stop() {
		err = fmt.Errorf("websocket: handshake: %w", ctx.Err())
	}
	if err != nil {
		_ = conn.Close() // the error that counts is err
		return nil, nil, err
	}
	return u.newConn(), u.request, nil
}

// interruptOn ends the reads and writes of conn when ctx ends, until stop is
// called, which reports whether that was before.
func interruptOn(ctx context.Context, conn net.Conn) (stop func() bool) {
	if ctx.Done() == nil {
		return func() bool { return true }
	}
	return context.AfterFunc(ctx, func() { _ = conn.SetDeadline(past) })
}

// growStack makes the stack of a new goroutine, 2 KiB, as large as Upgrade needs it,
// 4 KiB. Here that copies two frames. Left to the calls below it would copy fifteen,
// for a sixth of what Upgrade costs besides system calls (BenchmarkUpgrade).
//
//go:noinline
func growStack(i int) byte {
	var room [1200]byte
	return room[i]
}

// An upgrade is one handshake over HTTP/1.1.
type upgrade struct {
	ctx      context.Context
	conn     net.Conn // for Accept nil until it is taken over
	opts     *AcceptOptions
	deadline time.Time

	// What comes of it.
	request  *http.Request
	received []byte // bytes behind the request
	agreed   handshake.Agreement

	buf [usualHead]byte // for the request, then for the answer
}

// upgrades are kept for their memory: the stack of a new goroutine has no room for
// them, and would have to grow.
var upgrades = sync.Pool{New: func() any { return new(upgrade) }}

func newUpgrade(ctx context.Context, conn net.Conn, opts *AcceptOptions, deadline time.Time) *upgrade {
	u := upgrades.Get().(*upgrade)
	u.ctx, u.conn, u.opts, u.deadline = ctx, conn, opts, deadline
	return u
}

func (u *upgrade) release() {
	u.ctx, u.conn, u.opts = nil, nil, nil
	u.request, u.received, u.agreed = nil, nil, handshake.Agreement{}
	if poison {
		overwrite(u.buf[:])
	}
	upgrades.Put(u)
}

// do does all but what an end of ctx asks for: then whatever is under way fails.
func (u *upgrade) do() error {
	if err := u.conn.SetDeadline(u.deadline); err != nil {
		return fmt.Errorf("websocket: handshake: %w", err)
	}
	state, err := u.secure()
	if err != nil {
		return fmt.Errorf("websocket: TLS handshake: %w", err)
	}
	if err := u.readRequest(); err != nil {
		return u.failed(err)
	}
	u.complete(state)
	response, refusal := u.decide(nil)
	if refusal != nil {
		return u.refuse(refusal)
	}
	return u.send(response)
}

// complete gives the request what did not come with it.
func (u *upgrade) complete(state *tls.ConnectionState) {
	u.request.TLS = state
	if addr := u.conn.RemoteAddr(); addr != nil {
		u.request.RemoteAddr = addr.String()
	}
	if u.ctx != context.Background() {
		u.request = u.request.WithContext(u.ctx)
	}
}

// decide returns the answer that accepts the request, in buf: nothing of the request
// is there any more.
func (u *upgrade) decide(preset http.Header) (response []byte, refusal *HandshakeError) {
	if refusal := u.agree(); refusal != nil {
		return nil, refusal
	}
	extra, refusal := u.opts.extraHeader(u.request, preset, u.deadline)
	if refusal != nil {
		return nil, refusal
	}
	return u.agreed.AppendResponse(u.buf[:0], extra), nil
}

func (u *upgrade) agree() *HandshakeError {
	server, err := u.opts.server()
	if err != nil {
		return internalError("AcceptOptions", err)
	}
	var refusal *handshake.Error
	u.agreed, refusal = server.Check(u.request)
	return (*HandshakeError)(refusal)
}

func (u *upgrade) send(response []byte) error {
	if _, err := u.conn.Write(response); err != nil {
		return fmt.Errorf("websocket: send answer: %w", err)
	}
	return nil
}

// newConn is apart so that the stack has room for its Params only after the rest.
func (u *upgrade) newConn() *Conn {
	return NewConn(u.conn, Server, u.opts.params(u.ctx, &u.agreed, u.received))
}

// secure completes the handshake of TLS, if there is one.
func (u *upgrade) secure() (*tls.ConnectionState, error) {
	conn, ok := u.conn.(*tls.Conn)
	if !ok {
		return nil, nil
	}
	if err := conn.HandshakeContext(u.ctx); err != nil {
		return nil, err
	}
	state := conn.ConnectionState()
	return &state, nil
}

// failed answers where the request did not come whole, if that is of use.
func (u *upgrade) failed(err error) error {
	var refusal *HandshakeError
	if errors.As(err, &refusal) {
		return u.refuse(refusal)
	}
	return fmt.Errorf("websocket: read request: %w", err)
}
