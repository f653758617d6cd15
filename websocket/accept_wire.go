package websocket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/seed-15847954/ropewalk/websocket/internal/handshake"
)

// refuse answers a request with e, has its connection closed, and returns e.
func refuse(w http.ResponseWriter, r *http.Request, e *HandshakeError) *HandshakeError {
	h := w.Header()
	for _, name := range []string{"Content-Encoding", "Content-Length", "Etag", "Last-Modified", "Cache-Control", "Trailer"} {
		h.Del(name)
	}
	h.Set("Connection", "close")
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	for name, values := range e.Header {
		h[http.CanonicalHeaderKey(name)] = values
	}
	if e.Header.Get("Upgrade") != "" {
		h.Add("Connection", "Upgrade") // RFC 9110, section 7.8
	}
	if r.ContentLength != 0 {
		// The server would wait for the body before it closes.
		_ = http.NewResponseController(w).SetReadDeadline(past)
	}
	w.WriteHeader(e.Status)
	if r.Method != http.MethodHead && e.Status != http.StatusNoContent && e.Status != http.StatusNotModified {
		_, _ = io.WriteString(w, e.Reason+"\n") // a client that is gone needs no answer
	}
	return e
}

// refusedByHook turns the error of a hook into the answer to the client.
func refusedByHook(err error) *HandshakeError {
	var e *HandshakeError
	if !errors.As(err, &e) {
		return &HandshakeError{Status: http.StatusForbidden, Reason: "refused", Err: err}
	}
	chosen := *e
	if chosen.Status == 0 {
		chosen.Status = http.StatusForbidden
	}
	if chosen.Status < 200 || chosen.Status > 599 {
		return internalError("BeforeUpgrade", fmt.Errorf("status %d cannot refuse a request", chosen.Status))
	}
	if err := handshake.CheckHeader(chosen.Header); err != nil {
		return internalError("BeforeUpgrade", err)
	}
	return &chosen
}

// internalError is for what the application got wrong. The client does not see it.
func internalError(where string, err error) *HandshakeError {
	return &HandshakeError{
		Status: http.StatusInternalServerError,
		Reason: "the server cannot accept WebSocket connections here",
		Err:    fmt.Errorf("%s: %w", where, err),
	}
}

// hijack takes the connection over from the HTTP server, and the bytes that it has
// read behind the request: frames of a client that did not wait for the answer.
func hijack(w http.ResponseWriter) (net.Conn, []byte, *HandshakeError) {
	stream, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, nil, internalError(fmt.Sprintf("hijack %T", w), err)
	}
	// The buffers of the HTTP server are not kept: they are 4 KiB each.
	received := make([]byte, buffered.Reader.Buffered())
	_, _ = io.ReadFull(buffered.Reader, received) // all of it is buffered
	return stream, received, nil
}

// sendResponse sends the answer before ctx ends. NewConn takes the deadline away,
// and those of the HTTP server with it.
func sendResponse(ctx context.Context, stream net.Conn, response []byte) error {
	deadline, _ := ctx.Deadline()
	err := stream.SetDeadline(deadline)
	if err == nil {
		_, err = stream.Write(response)
	}
	if err != nil {
		return fmt.Errorf("websocket: send answer: %w", err)
	}
	return nil
}
