package websocket

import (
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/seed-15847954/ropewalk/websocket/internal/handshake"
)

// A Tunneler is an http.ResponseWriter of a server that has a stream of its own for
// each extended CONNECT. [Accept] looks for it behind wrappers that have an Unwrap
// method. It is for packages that bring a version of HTTP, as wsh3 does: the server
// of net/http needs none.
type Tunneler interface {
	http.ResponseWriter

	// Tunnel is called once, after WriteHeader with status 200. It sends the header
	// and returns the stream, for [NewConn].
	Tunnel() (io.ReadWriteCloser, error)
}

// acceptConnect does what Accept does over HTTP/2 and HTTP/3 (RFC 8441, section 5;
// RFC 9220, section 3).
func acceptConnect(w http.ResponseWriter, r *http.Request, opts *AcceptOptions) (io.ReadWriteCloser, Params, error) {
	deadline := opts.deadline(r.Context())
	agreed, header, refusal := opts.decideConnect(r, w.Header(), deadline)
	if refusal != nil {
		return nil, Params{}, refuseConnect(w, refusal)
	}
	inner := innermost(w)
	if err := canTunnel(inner); err != nil {
		return nil, Params{}, refuseConnect(w, internalError("extended CONNECT", err))
	}
	stream, err := openTunnel(inner, r, header, deadline)
	if err != nil {
		return nil, Params{}, fmt.Errorf("websocket: send answer: %w", err)
	}
	return stream, opts.params(r.Context(), &agreed, nil), nil
}

// decideConnect checks the request and returns the header of the answer that
// accepts it. The header in preset was set by others than the hook.
func (o *AcceptOptions) decideConnect(r *http.Request, preset http.Header, deadline time.Time) (handshake.Agreement, http.Header, *HandshakeError) {
	server, err := o.server()
	if err != nil {
		return handshake.Agreement{}, nil, internalError("AcceptOptions", err)
	}
	agreed, refusal := server.CheckConnect(r)
	if refusal != nil {
		return agreed, nil, (*HandshakeError)(refusal)
	}
	extra, refused := o.extraHeader(r, preset, deadline)
	if refused != nil {
		return agreed, nil, refused
	}
	return agreed, agreed.ConnectHeader(extra), nil
}

// refuseConnect answers an extended CONNECT with e, and returns e. Only the stream
// ends: the others on its connection are none of its business.
func refuseConnect(w http.ResponseWriter, e *HandshakeError) *HandshakeError {
	h := w.Header()
	for _, name := range []string{"Content-Encoding", "Content-Length", "Etag", "Last-Modified", "Cache-Control", "Trailer", "Connection"} {
		h.Del(name)
	}
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	for name, values := range e.Header {
		h[http.CanonicalHeaderKey(name)] = values
	}
	w.WriteHeader(e.Status)
	_, _ = io.WriteString(w, refusalBody(e, http.MethodConnect)) // a client that is gone needs no answer
	return e
}

// innermost returns the writer behind all wrappers, or the first Tunneler among
// them. As with an HTTP/1.1 connection that is taken over, wrappers see nothing of
// the tunnel: one that compresses would spoil it.
func innermost(w http.ResponseWriter) http.ResponseWriter {
	for {
		if _, ok := w.(Tunneler); ok {
			return w
		}
		wrapper, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return w
		}
		w = wrapper.Unwrap()
	}
}

// canTunnel says what w lacks for a tunnel.
func canTunnel(w http.ResponseWriter) error {
	if _, ok := w.(Tunneler); ok {
		return nil
	}
	type flusher interface{ FlushError() error }
	type deadliner interface {
		SetReadDeadline(time.Time) error
		SetWriteDeadline(time.Time) error
	}
	if _, ok := w.(flusher); !ok {
		return fmt.Errorf("%T has no FlushError", w)
	}
	if _, ok := w.(deadliner); !ok {
		return fmt.Errorf("%T has no deadlines", w)
	}
	return nil
}

// openTunnel sends the answer with status 200, before the deadline, and returns the
// tunnel.
func openTunnel(w http.ResponseWriter, r *http.Request, header http.Header, deadline time.Time) (io.ReadWriteCloser, error) {
	h := w.Header()
	clear(h)
	for name, values := range header {
		h[name] = values
	}
	if t, ok := w.(Tunneler); ok {
		w.WriteHeader(http.StatusOK)
		return t.Tunnel()
	}
	control := http.NewResponseController(w)
	if err := control.SetWriteDeadline(deadline); err != nil {
		return nil, err
	}
	w.WriteHeader(http.StatusOK)
	if err := control.Flush(); err != nil {
		return nil, err
	}
	// Those of the HTTP server (ReadTimeout, WriteTimeout) are meant for requests.
	// A deadline that has passed by now cannot be taken back: the stream has been
	// reset then, and the first read or write says so.
	if err := control.SetReadDeadline(time.Time{}); err != nil {
		return nil, err
	}
	if err := control.SetWriteDeadline(time.Time{}); err != nil {
		return nil, err
	}
	return newConnectStream(w, r), nil
}
