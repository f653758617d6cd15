package native

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"
)

// The headers of the HTTP transports.
const (
	sessionHeader = "Ropewalk-Session" // the secret name of the session
	batchHeader   = "Ropewalk-Batch"   // the number of a poll's answer
)

// A Route is a pattern of http.ServeMux with what stands behind it.
type Route struct {
	Pattern string
	Handler http.Handler
}

// Routes returns everything that h serves: the WebSocket, and the transports for
// networks that do not let it through. All of them let the same pages in.
func (h *Handler) Routes() []Route {
	return []Route{
		{"/connection/websocket", h},
		{"/connection/sse", h.guard(http.MethodGet, h.events)},
		{"/connection/stream", h.guard(http.MethodPost, h.stream)},
		{"/connection/poll", h.guard(http.MethodPost, h.poll)},
		{"/connection/commands", h.guard(http.MethodPost, h.commands)},
		{"/sse", h.guard(http.MethodGet, h.eventSource)},
	}
}

// A refusal is the answer to a request that is not served.
type refusal struct {
	status  int
	Code    string `json:"code"`
	Message string `json:"message"`
}

// The refusals. Their codes stand in docs/reference/transports.md.
var (
	foreignOrigin   = refusal{http.StatusForbidden, "foreign_origin", "pages of this origin may not connect"}
	methodNotServed = refusal{http.StatusMethodNotAllowed, "method_not_allowed", "see the Allow header"}
	wrongMediaType  = refusal{http.StatusUnsupportedMediaType, "content_type", "Content-Type is neither application/json nor application/x-protobuf"}
	bodyTooBig      = refusal{http.StatusRequestEntityTooLarge, "request_too_big", "the body is too big"}
	bodyCut         = refusal{http.StatusBadRequest, "bad_request", "the body did not come whole"}
	bodyUnasked     = refusal{http.StatusBadRequest, "bad_request", "a GET has no body"}
	bodyMissing     = refusal{http.StatusBadRequest, "bad_request", "the body has no command"}
	sessionUnknown  = refusal{http.StatusNotFound, "session_unknown", "there is no such session over this transport"}
	wrongNode       = refusal{http.StatusMisdirectedRequest, "wrong_node", "the session is that of another node"}
	pollReplaced    = refusal{http.StatusConflict, "poll_replaced", "another poll of the session has come"}
)

func (r refusal) answer(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(r.status)
	_ = json.NewEncoder(w).Encode(r) // the client may have gone
}

// guard lets requests of one method through, of pages that may use the WebSocket,
// and lets those pages read the answers.
func (h *Handler) guard(method string, next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Cache-Control", "no-store")
		header.Set("X-Content-Type-Options", "nosniff")
		header.Add("Vary", "Origin")
		if h.checkPage(r) != nil {
			h.refuse(w, r, foreignOrigin)
			return
		}
		if origin := r.Header.Get("Origin"); origin != "" {
			header.Set("Access-Control-Allow-Origin", origin)
			header.Set("Access-Control-Expose-Headers", batchHeader)
		}
		switch {
		case r.Method == method && method == http.MethodGet && r.ContentLength != 0:
			// net/http reads the body before it sends the head of an answer, and a stream has
			// all the time in the world. Nobody reads one of a connection that is closed.
			if r.ProtoMajor == 1 {
				header.Set("Connection", "close")
			}
			h.refuse(w, r, bodyUnasked)
		case r.Method == method:
			next(w, r)
		case r.Method == http.MethodOptions:
			header.Set("Access-Control-Allow-Methods", method)
			header.Set("Access-Control-Allow-Headers", strings.Join([]string{"Content-Type", "Last-Event-ID", sessionHeader, batchHeader}, ", "))
			header.Set("Access-Control-Max-Age", "600")
			w.WriteHeader(http.StatusNoContent)
		default:
			header.Set("Allow", method+", "+http.MethodOptions)
			h.refuse(w, r, methodNotServed)
		}
	})
}

// checkPage is the rule of the WebSocket, and refuses what a page of another site embeds:
// that comes without Origin.
func (h *Handler) checkPage(r *http.Request) error {
	if site := r.Header.Get("Sec-Fetch-Site"); site == "cross-site" && r.Header["Origin"] == nil {
		return errors.New("embedded by a page of another site")
	}
	return h.accept.CheckOrigin(r)
}

// codecOf returns the codec of a request's body.
func codecOf(r *http.Request) (codec, error) {
	typ, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case err == nil && typ == "application/json":
		return jsonCodec{}, nil
	case err == nil && typ == "application/x-protobuf":
		return protobufCodec{}, nil
	}
	return nil, wrongMediaType
}

func (r refusal) Error() string { return r.Code }

// body reads a request's body, of at most limit bytes.
func body(r *http.Request, limit int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r.Body, limit+1))
	if err != nil {
		return nil, bodyCut
	}
	if int64(len(b)) > limit {
		return nil, bodyTooBig
	}
	return b, nil
}

// refuse answers a request that is not served because of err, a refusal.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, err error) {
	answer, ok := errors.AsType[refusal](err)
	if !ok { // the request has ended
		answer = bodyCut
	}
	h.Log.Info("request refused", "remote", r.RemoteAddr, "path", r.URL.Path, "status", answer.status, "error", answer.Code)
	answer.answer(w)
}

// elsewhere answers a request for a session of another node, and reports whether it is one.
func (h *Handler) elsewhere(w http.ResponseWriter, r *http.Request) bool {
	node, _, ok := strings.Cut(r.Header.Get(sessionHeader), ".")
	if !ok || node == h.Node {
		return false
	}
	if h.Forward == nil {
		h.refuse(w, r, wrongNode)
		return true
	}
	b, err := body(r, h.accept.Limits.MaxMessageSize)
	if err != nil {
		h.refuse(w, r, err)
		return true
	}
	r.Body = io.NopCloser(bytes.NewReader(b))
	rc := http.NewResponseController(w)
	_ = rc.SetReadDeadline(time.Time{})
	_ = rc.SetWriteDeadline(time.Now().Add(pollTime + stallTime))
	if !h.Forward(node, w, r) {
		h.refuse(w, r, wrongNode)
	}
	return true
}

// httpClient returns the client whose session a request names.
func (h *Handler) httpClient(r *http.Request) (*httpClient, error) {
	s := h.Sessions.Session(r.Header.Get(sessionHeader))
	if s == nil {
		return nil, sessionUnknown
	}
	g, ok := s.Transport.(*gate)
	if !ok {
		return nil, sessionUnknown
	}
	c, ok := g.Transport.(*httpClient)
	if !ok {
		return nil, sessionUnknown
	}
	return c, nil
}

// message reads the body of a request for a session that speaks codec.
func (h *Handler) message(r *http.Request, codec codec) ([]byte, error) {
	if spoken, err := codecOf(r); err != nil || spoken != codec {
		return nil, wrongMediaType
	}
	return body(r, h.accept.Limits.MaxMessageSize)
}

// commands takes commands, whose replies come where the session is read.
func (h *Handler) commands(w http.ResponseWriter, r *http.Request) {
	if h.elsewhere(w, r) {
		return
	}
	c, err := h.httpClient(r)
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	b, err := h.message(r, c.talk.codec)
	if err == nil && len(b) == 0 {
		err = bodyMissing
	}
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	// What is wrong with a message ends the session, whose reader is told.
	c.take(r.Context(), b)
	w.WriteHeader(http.StatusNoContent)
}
