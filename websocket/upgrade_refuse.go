package websocket

import (
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/seed-15847954/ropewalk/websocket/internal/handshake"
)

// refusalTime bounds two things. One is to send a refusal that comes late: the request
// has used up the time for the handshake. The other is the wait for the client to
// close: a socket that is closed with bytes unread is reset, and the reset can take
// the answer away before the client has read it.
const refusalTime = time.Second

// maxDrained bounds what is read meanwhile.
const maxDrained = 256 << 10

// refuse answers the request with e, ends the stream in good order, and returns e.
// The caller closes the connection.
func (u *upgrade) refuse(e *HandshakeError) *HandshakeError {
	method := ""
	if u.request != nil {
		method = u.request.Method
	}
	b := appendRefusal(u.buf[:0], e, method, time.Now())
	late := !u.deadline.IsZero() && time.Until(u.deadline) < refusalTime
	if late && u.extend() != nil {
		return e
	}
	if _, err := u.conn.Write(b); err != nil {
		return e
	}
	if s, ok := u.conn.(interface{ CloseWrite() error }); !ok || s.CloseWrite() != nil || u.extend() != nil {
		return e
	}
	_, _ = io.CopyN(io.Discard, u.conn, maxDrained) // what comes, and how it ends, is all the same
	return e
}

// extend sets a deadline for what follows, unless ctx has ended.
func (u *upgrade) extend() error {
	if err := u.conn.SetDeadline(time.Now().Add(refusalTime)); err != nil {
		return err
	}
	return u.ctx.Err() // looked at last: an end from now on sets its deadline after this one
}

// appendRefusal appends the answer that net/http would send for Accept.
func appendRefusal(b []byte, e *HandshakeError, method string, now time.Time) []byte {
	h := refusalHeader(e)
	h.Set("Date", now.UTC().Format(http.TimeFormat))
	body := refusalBody(e, method)
	if body != "" {
		h.Set("Content-Length", strconv.Itoa(len(body)))
	}
	return handshake.AppendAnswer(b, e.Status, h, body)
}
