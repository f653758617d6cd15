package websocket

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
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
// the error wraps the context's. On every error Upgrade closes conn, after a
// refusal within a second, so that the client can read it.
//
// A nil opts means the zero value. ctx gives Conn.Context its values; when Upgrade
// has returned it has no other effect on the connection. Upgrade may be called at
// once by many goroutines with the same opts.
func Upgrade(ctx context.Context, conn net.Conn, opts *AcceptOptions) (*Conn, *http.Request, error) {
	if opts == nil {
		opts = &AcceptOptions{}
	}
	u := upgrade{ctx: ctx, conn: conn, opts: opts, deadline: opts.deadline(context.Background())}
	stop := interruptOn(ctx, conn)
	params, err := u.do()
	if !stop() {
		err = fmt.Errorf("websocket: handshake: %w", ctx.Err())
	}
	if err != nil {
		_ = conn.Close() // the error that counts is err
		return nil, nil, err
	}
	return NewConn(conn, Server, params), u.request, nil
}

// interruptOn ends the reads and writes of conn when ctx ends, until stop is
// called, which reports whether that was before.
func interruptOn(ctx context.Context, conn net.Conn) (stop func() bool) {
	if ctx.Done() == nil {
		return func() bool { return true }
	}
	return context.AfterFunc(ctx, func() { _ = conn.SetDeadline(past) })
}

// An upgrade is one handshake on a connection of its own.
type upgrade struct {
	ctx      context.Context
	conn     net.Conn
	opts     *AcceptOptions
	deadline time.Time
	request  *http.Request
}

// do does all but what an end of ctx asks for: then whatever is under way fails.
func (u *upgrade) do() (Params, error) {
	if err := u.conn.SetDeadline(u.deadline); err != nil {
		return Params{}, fmt.Errorf("websocket: handshake: %w", err)
	}
	state, err := u.secure()
	if err != nil {
		return Params{}, fmt.Errorf("websocket: TLS handshake: %w", err)
	}
	request, received, err := u.readRequest()
	if err != nil {
		return Params{}, u.failed(err)
	}
	request.TLS = state
	if addr := u.conn.RemoteAddr(); addr != nil {
		request.RemoteAddr = addr.String()
	}
	if u.ctx != context.Background() {
		request = request.WithContext(u.ctx)
	}
	u.request = request
	answer := getBuffer()
	agreed, response, refusal := u.opts.decide(request, nil, u.deadline, answer.b)
	if refusal != nil {
		answer.putBack(answer.b)
		return Params{}, u.refuse(refusal)
	}
	defer answer.putBack(response)
	if _, err := u.conn.Write(response); err != nil {
		return Params{}, fmt.Errorf("websocket: send answer: %w", err)
	}
	return u.opts.params(u.ctx, &agreed, received), nil
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
