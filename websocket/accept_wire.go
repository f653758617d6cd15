package websocket

import (
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/seed-15847954/ropewalk/websocket/internal/handshake"
)

// refuse answers a request with e, has its connection closed, and returns e.
func refuse(w http.ResponseWriter, r *http.Request, e *HandshakeError) *HandshakeError {
	h := w.Header()
	for _, name := range []string{"Content-Encoding", "Content-Length", "Etag", "Last-Modified", "Cache-Control", "Trailer"} {
		h.Del(name)
	}
	for name, values := range refusalHeader(e) {
		h[name] = values
	}
	if r.ContentLength != 0 {
		// The server would wait for the body before it closes.
		_ = http.NewResponseController(w).SetReadDeadline(past)
	}
	w.WriteHeader(e.Status)
	_, _ = io.WriteString(w, refusalBody(e, r.Method)) // a client that is gone needs no answer
	return e
}

// refusalHeader is the header of the answer that refuses a request with e.
func refusalHeader(e *HandshakeError) http.Header {
	h := http.Header{
		"Connection":             {"close"},
		"Content-Type":           {"text/plain; charset=utf-8"},
		"X-Content-Type-Options": {"nosniff"},
	}
	for name, values := range e.Header {
		h[http.CanonicalHeaderKey(name)] = values
	}
	if e.Header.Get("Upgrade") != "" {
		h.Add("Connection", "Upgrade") // RFC 9110, section 7.8
	}
	return h
}

// refusalBody is the body of that answer, empty where there can be none.
func refusalBody(e *HandshakeError, method string) string {
	if method == http.MethodHead || e.Status == http.StatusNoContent || e.Status == http.StatusNotModified {
		return ""
	}
	return e.Reason + "\n"
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

// accept answers the request through w, and takes its connection over.
func (u *upgrade) accept(w http.ResponseWriter) error {
	response, refusal := u.decide(w.Header())
	if refusal != nil {
		return refuse(w, u.request, refusal)
	}
	if refusal := u.hijack(w); refusal != nil {
		return refuse(w, u.request, refusal)
	}
	// NewConn takes deadlines away, those of the HTTP server too.
	err := u.conn.SetWriteDeadline(u.deadline)
	if err == nil {
		err = u.send(response)
	}
	if err != nil {
		_ = u.conn.Close() // the error that counts is err
	}
	return err
}

// hijack takes the connection over from the HTTP server, and the bytes that it has
// read behind the request: frames of a client that did not wait for the answer.
func (u *upgrade) hijack(w http.ResponseWriter) *HandshakeError {
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return internalError(fmt.Sprintf("hijack %T", w), err)
	}
	u.conn = conn
	// The buffers of the HTTP server are not kept: they are 4 KiB each.
	if n := buffered.Reader.Buffered(); n > 0 {
		u.received = make([]byte, n)
		_, _ = io.ReadFull(buffered.Reader, u.received) // all of it is buffered
	}
	return nil
}
