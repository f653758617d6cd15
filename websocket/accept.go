package websocket

import (
	"context"
	"net/http"
	"time"

	"github.com/seed-15847954/ropewalk/websocket/internal/handshake"
)

// AcceptOptions configures [Accept], [Upgrade] and [Handler]. The zero value, like nil,
// is safe: pages of other origins are refused, and there is no compression.
type AcceptOptions struct {
	// Subprotocols are those that the server speaks, all tokens (RFC 6455, section
	// 1.9). The first one in the client's order of preference that is among them is
	// chosen. Where there is none the connection goes on without, and
	// Conn.Subprotocol is empty.
	Subprotocols []string

	// OriginPatterns are the origins, besides the server's own, whose pages may
	// connect: [scheme://]host[:port], compared part by part after parsing, without
	// regard to case. A host that begins with "*." stands for names with exactly
	// one more label: https://*.example.com is met by https://a.example.com, not by
	// https://example.com nor https://a.b.example.com. Without a scheme https is
	// meant, and http too if the request came without TLS; without a port, the
	// scheme's own.
	//
	// A page is of the server's own origin if its host and port are those of the
	// Host header, and its scheme is https or the request came without TLS. (There a
	// proxy may have ended TLS, so that http and https are both possible.) A request
	// without Origin is not from a browser and passes (RFC 6455, section 4.2.1):
	// that is no authentication, for such a client can send any Origin.
	OriginPatterns []string

	// InsecureSkipOriginCheck lets pages of every origin connect with the user's
	// cookies: cross-site WebSocket hijacking (RFC 6455, section 10.2).
	InsecureSkipOriginCheck bool

	// Compression configures permessage-deflate. Nil means that it is not accepted.
	Compression *Compression

	// BeforeUpgrade is called with a request that could be accepted, before the
	// answer. It may add to h, the header of the answer: cookies, say. It may not set
	// what the handshake writes itself: that is answered with status 500.
	//
	// An error refuses the request. A *HandshakeError chooses status, header and
	// text of the answer: 401 with WWW-Authenticate, a redirect (RFC 6455, section
	// 4.2.2). Its Status is 200 to 599, zero means 403. Any other error means 403,
	// and the client does not see its text. Accept returns it wrapped.
	//
	// The context of r ends with HandshakeTimeout.
	BeforeUpgrade func(r *http.Request, h http.Header) error

	// HandshakeTimeout bounds BeforeUpgrade and the sending of the answer. (How long
	// a request may take to arrive is http.Server.ReadHeaderTimeout.) For Upgrade it
	// bounds the whole handshake.
	// Zero means 10 seconds; a negative value means no bound.
	HandshakeTimeout time.Duration

	Limits    Limits
	KeepAlive KeepAlive

	// Queue bounds what Send leaves waiting.
	Queue Queue

	// OnPing and OnPong are those of Params.
	OnPing, OnPong func(payload []byte)

	// CloseTimeout is Params.CloseTimeout.
	CloseTimeout time.Duration
}

// Accept answers the opening handshake of a client (RFC 6455, section 4.2) and
// returns the connection. It works on every server for HTTP/1.1 whose
// ResponseWriter can be hijacked, behind wrappers too that have an Unwrap method
// (see [http.ResponseController]). Headers that were set on w, but for those that
// describe a body, go out with the answer.
//
// Over HTTP/2 it takes an extended CONNECT (RFC 8441), on every server of net/http
// that offers it: see package xconnect. The connection is then one stream of an
// HTTP/2 connection and ends with the handler. So the handler must not return before
// Read or EventHandler.Closed has told of the end, or Close or CloseNow has returned;
// a deferred CloseNow sees to it.
//
// A request that is not an acceptable handshake is answered here, with 400, 403,
// 405, 426 or 501, or as BeforeUpgrade says, and the HTTP connection is closed
// (over HTTP/2, the stream), so that nothing behind the request is taken for another
// one. The error is a
// *HandshakeError, with status 500 where opts or w are at fault. The caller just
// returns.
//
// A nil opts means the zero value. Over HTTP/1.1 the Conn outlives the handler if it
// is used elsewhere; memory of the HTTP server is freed when the handler returns.
// Accept may be called at once by many goroutines with the same opts.
func Accept(w http.ResponseWriter, r *http.Request, opts *AcceptOptions) (*Conn, error) {
	if opts == nil {
		opts = &AcceptOptions{}
	}
	if r.ProtoMajor > 1 {
		return acceptTunnel(w, r, opts)
	}
	u := newUpgrade(r.Context(), nil, opts, opts.deadline(r.Context()))
	defer u.release()
	u.request = r
	if err := u.accept(w); err != nil {
		return nil, err
	}
	return u.newConn(), nil
}

func acceptTunnel(w http.ResponseWriter, r *http.Request, opts *AcceptOptions) (*Conn, error) {
	stream, params, err := acceptConnect(w, r, opts)
	if err != nil {
		return nil, err
	}
	return NewConn(stream, Server, params), nil
}

// deadline returns when a handshake that begins now must be over: the zero time
// if never.
func (o *AcceptOptions) deadline(ctx context.Context) time.Time {
	deadline, _ := ctx.Deadline()
	if timeout := orDefault(o.HandshakeTimeout, 10*time.Second); timeout >= 0 {
		if own := time.Now().Add(timeout); deadline.IsZero() || own.Before(deadline) {
			return own
		}
	}
	return deadline
}

// extraHeader asks the hook about a request that could be accepted, and returns the
// header that the answer has besides what the handshake writes. The header in preset
// was set by others than the hook, and goes out where it may.
func (o *AcceptOptions) extraHeader(r *http.Request, preset http.Header, deadline time.Time) (http.Header, *HandshakeError) {
	extra := handshake.Allowed(preset)
	if o.BeforeUpgrade != nil {
		added, refusal := o.askHook(r, deadline)
		if refusal != nil {
			return nil, refusal
		}
		extra = merge(extra, added)
	}
	if err := r.Context().Err(); err != nil {
		return nil, tookTooLong(err)
	}
	return extra, nil
}

// askHook calls BeforeUpgrade and returns the header that it adds.
func (o *AcceptOptions) askHook(r *http.Request, deadline time.Time) (http.Header, *HandshakeError) {
	ctx, cancel := withDeadline(r.Context(), deadline)
	defer cancel()
	added := make(http.Header)
	if err := o.BeforeUpgrade(r.WithContext(ctx), added); err != nil {
		return nil, refusedByHook(err)
	}
	if err := handshake.CheckHeader(added); err != nil {
		return nil, internalError("BeforeUpgrade", err)
	}
	if err := ctx.Err(); err != nil {
		return nil, tookTooLong(err)
	}
	return added, nil
}

func tookTooLong(err error) *HandshakeError {
	return &HandshakeError{
		Status: http.StatusServiceUnavailable, Reason: "the handshake took too long or was given up", Err: err,
	}
}

// merge adds the lines of added to h, which may be nil.
func merge(h, added http.Header) http.Header {
	if len(h) == 0 {
		return added
	}
	for name, values := range added {
		h[name] = append(h[name], values...)
	}
	return h
}

func (o *AcceptOptions) params(ctx context.Context, agreed *handshake.Agreement, received []byte) Params {
	p := Params{
		Context:      ctx,
		Subprotocol:  agreed.Subprotocol,
		Deflate:      agreed.Deflate,
		Received:     received,
		Limits:       o.Limits,
		KeepAlive:    o.KeepAlive,
		Queue:        o.Queue,
		OnPing:       o.OnPing,
		OnPong:       o.OnPong,
		CloseTimeout: o.CloseTimeout,
	}
	if o.Compression != nil {
		p.CompressionThreshold = o.Compression.Threshold
	}
	return p
}

// withDeadline is context.WithDeadline, without a bound where t is zero.
func withDeadline(ctx context.Context, t time.Time) (context.Context, context.CancelFunc) {
	if t.IsZero() {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, t)
}

// withTimeout is context.WithTimeout, without a bound where d is negative.
func withTimeout(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if d < 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, d)
}
