// Package api is what back ends call over HTTP.
package api

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/seed-15847954/ropewalk/hub"
	"github.com/seed-15847954/ropewalk/internal/jsonscan"
)

const (
	// maxDepth is how deep the arrays and objects of a request may be nested.
	maxDepth = 64

	// maxEnvelope is what a request may have around the data, in bytes.
	maxEnvelope = 4 << 10

	// maxPublicationID bounds the id of a publication in bytes.
	maxPublicationID = 64
)

// An Error is the body of every answer that is not a success.
type Error struct {
	// Status is that of the answer.
	Status int

	// Code says what went wrong, for programs: invalid_argument, too_big,
	// permission_denied, unsupported_media_type, method_not_allowed or unavailable.
	Code string

	// Message says it for developers, in English.
	Message string
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

func invalid(format string, args ...any) *Error {
	return &Error{http.StatusBadRequest, "invalid_argument", fmt.Sprintf(format, args...)}
}

// Publish returns the handler of POST /api/publish. The request is a JSON object
// with channel and data, and id if the publication shall have one; data is at most
// maxData bytes long. The answer holds the epoch and the offset that it was given.
//
// Pages of other origins cannot use it: a request with an Origin header that is
// not the server's own is refused, and so is every content type that a form can send.
func Publish(h *hub.Hub, maxData int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		pos, err := publish(h, maxData, w, r)
		if err != nil {
			writeError(w, err)
			return
		}
		b := append([]byte(nil), `{"epoch":`...)
		b = jsonscan.AppendString(b, pos.Epoch)
		b = append(b, `,"offset":`...)
		b = strconv.AppendUint(b, pos.Offset, 10)
		write(w, http.StatusOK, append(b, '}'))
	})
}

func publish(h *hub.Hub, maxData int, w http.ResponseWriter, r *http.Request) (hub.Position, error) {
	if err := check(r); err != nil {
		return hub.Position{}, err
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, int64(maxData)+maxEnvelope))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return hub.Position{}, tooBig(maxData)
	}
	if err != nil {
		return hub.Position{}, invalid("the body ended early")
	}
	m, err := decode(body, maxData)
	if err != nil {
		return hub.Position{}, err
	}
	done, err := h.Publish(r.Context(), m, nil)
	return done.Position, err
}

func tooBig(maxData int) *Error {
	return &Error{
		http.StatusRequestEntityTooLarge, "too_big", fmt.Sprintf("data of more than %d bytes", maxData),
	}
}

// check looks at everything but the body.
func check(r *http.Request) error {
	if r.Method != http.MethodPost {
		return &Error{http.StatusMethodNotAllowed, "method_not_allowed", "use POST"}
	}
	if origins, ok := r.Header["Origin"]; ok && (len(origins) != 1 || !ownOrigin(r, origins[0])) {
		return &Error{http.StatusForbidden, "permission_denied", "pages of other origins cannot publish"}
	}
	mediaType, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	charset := params["charset"]
	if err != nil || mediaType != "application/json" || charset != "" && !strings.EqualFold(charset, "utf-8") {
		return &Error{http.StatusUnsupportedMediaType, "unsupported_media_type", "use Content-Type: application/json"}
	}
	return nil
}

// ownOrigin reports whether origin is that of the server: its host and port are
// those of the Host header. Without TLS the scheme may still be https, which a
// proxy may have ended.
func ownOrigin(r *http.Request, origin string) bool {
	u, err := url.Parse(origin)
	if err != nil || u.User != nil || u.Host == "" || u.Path != "" || u.RawQuery != "" || u.Fragment != "" {
		return false
	}
	if u.Scheme != "https" && (u.Scheme != "http" || r.TLS != nil) {
		return false
	}
	return strings.EqualFold(withPort(u.Host, u.Scheme), withPort(r.Host, u.Scheme))
}

// withPort adds the scheme's own port to a host without one.
func withPort(host, scheme string) string {
	if (&url.URL{Host: host}).Port() != "" {
		return host
	}
	if scheme == "http" {
		return strings.TrimSuffix(host, ":") + ":80"
	}
	return strings.TrimSuffix(host, ":") + ":443"
}

func decode(body []byte, maxData int) (m hub.Message, err error) {
	if err := jsonscan.Check(body, maxDepth); err != nil {
		return m, invalid("%v", err)
	}
	err = jsonscan.Members(body, func(name string, value []byte) (err error) {
		switch name {
		case "channel":
			m.Channel, err = jsonscan.String(value)
		case "id":
			m.ID, err = jsonscan.String(value)
		case "data":
			m.Data = value
		default:
			return invalid("no such member: %+.40q", name)
		}
		if err != nil {
			return invalid("%s: %v", name, err)
		}
		return nil
	})
	switch {
	case errors.Is(err, jsonscan.ErrType):
		return m, invalid("the body is not an object")
	case errors.Is(err, jsonscan.ErrDuplicate):
		return m, invalid("%v", err)
	case err != nil:
		return m, err
	case m.Data == nil:
		return m, invalid("no data")
	case len(m.Data) > maxData:
		return m, tooBig(maxData)
	case len(m.ID) > maxPublicationID:
		return m, invalid("id of %d bytes, the limit is %d", len(m.ID), maxPublicationID)
	}
	return m, nil
}

func writeError(w http.ResponseWriter, err error) {
	known, ok := errors.AsType[*Error](err)
	switch {
	case ok:
	case errors.Is(err, hub.ErrChannelName):
		known = invalid("%v", err)
	default:
		known = &Error{http.StatusServiceUnavailable, "unavailable", "the broker did not answer"}
	}
	if known.Status == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", http.MethodPost)
	}
	b := append([]byte(nil), `{"code":`...)
	b = jsonscan.AppendString(b, known.Code)
	b = append(b, `,"message":`...)
	b = jsonscan.AppendString(b, known.Message)
	write(w, known.Status, append(b, '}'))
}

func write(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // the client may have gone
}
