package wsh3

import (
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/quic-go/quic-go/http3"

	"github.com/seed-15847954/ropewalk/websocket"
)

// Accept answers the opening handshake of a client over HTTP/3 (RFC 9220, section 3)
// as [websocket.Accept] does over the other versions of HTTP, with the same options,
// checks and errors. It needs the ResponseWriter of quic-go's http3.Server, behind
// wrappers too that have an Unwrap method. Requests over other versions go to
// websocket.Accept, so that one handler serves all.
//
// A request in early data (0-RTT), or one that came through a proxy so, is refused with
// 425: whoever has recorded it could send it again (RFC 8470, section 5.2).
//
// The Conn outlives the handler if it is used elsewhere. What has to do with the
// stream alone ends the stream alone: a failed or abandoned WebSocket resets it
// with H3_REQUEST_CANCELLED, and the QUIC connection with its other streams goes on.
func Accept(w http.ResponseWriter, r *http.Request, opts *websocket.AcceptOptions) (*websocket.Conn, error) {
	if r.ProtoMajor != 3 {
		return websocket.Accept(w, r, opts)
	}
	if early(r) {
		return nil, refuseEarly(w)
	}
	return websocket.Accept(withTunnel(w, r), r, opts)
}

// Handler returns a handler for http3.Server that calls next, with a ResponseWriter
// from which [websocket.Accept] and [websocket.Handler] can open tunnels. Handshakes
// in early data (see [Accept]) do not get to next. All other requests pass unchanged.
func Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		// RFC 9220, section 3: quic-go has :protocol in r.Proto.
		case r.ProtoMajor != 3 || r.Method != http.MethodConnect || !strings.EqualFold(r.Proto, "websocket"):
			next.ServeHTTP(w, r)
		case early(r):
			_ = refuseEarly(w) // says what the client is told
		default:
			next.ServeHTTP(withTunnel(w, r), r)
		}
	})
}

// early reports whether r may be a replay (RFC 9220, section 4; RFC 8470): it was read
// before the QUIC handshake was complete, or a proxy says that it forwards early data.
func early(r *http.Request) bool {
	return r.TLS == nil || !r.TLS.HandshakeComplete || len(r.Header["Early-Data"]) > 0
}

func refuseEarly(w http.ResponseWriter) *websocket.HandshakeError {
	e := &websocket.HandshakeError{
		Status:  http.StatusTooEarly,
		Section: "RFC 8470, section 5.2",
		Reason:  "a WebSocket is not opened in early data",
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(e.Status)
	_, _ = io.WriteString(w, e.Reason+"\n") // a client that is gone needs no answer
	return e
}

// A writer is a ResponseWriter of quic-go.
type writer interface {
	http.ResponseWriter
	http3.HTTPStreamer
}

// withTunnel returns the writer behind w as a [websocket.Tunneler], or w if there is
// none: websocket.Accept says then what is missing.
func withTunnel(w http.ResponseWriter, r *http.Request) http.ResponseWriter {
	for inner := w; ; {
		if found, ok := inner.(writer); ok {
			return &tunneler{ResponseWriter: w, inner: found, request: r}
		}
		wrapper, ok := inner.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return w
		}
		inner = wrapper.Unwrap()
	}
}

// A tunneler is a [websocket.Tunneler] on a ResponseWriter of quic-go.
type tunneler struct {
	http.ResponseWriter
	inner   writer
	request *http.Request
}

var _ websocket.Tunneler = (*tunneler)(nil)

// Unwrap is for http.ResponseController.
func (t *tunneler) Unwrap() http.ResponseWriter { return t.ResponseWriter }

// Tunnel implements [websocket.Tunneler].
func (t *tunneler) Tunnel() (io.ReadWriteCloser, error) {
	t.inner.WriteHeader(http.StatusOK) // does nothing unless a wrapper has held it back
	str, err := t.inner.HTTPStream()
	if err != nil {
		return nil, err
	}
	_ = str.SetDeadline(time.Time{}) // that of the answer; a stream that is gone, its reads tell of
	ctx := t.request.Context()
	local, _ := ctx.Value(http.LocalAddrContextKey).(net.Addr)
	remote, _ := ctx.Value(http3.RemoteAddrContextKey).(net.Addr)
	return newServerStream(str, local, remote), nil
}
