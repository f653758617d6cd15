package api

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/seed-15847954/ropewalk/api/apipb"
)

// documentName is the last element of the OpenAPI document's path.
const documentName = "openapi.json"

// plain serves the methods as plain JSON.
type plain struct {
	methods map[string]method     // by the last element of the path
	limit   func(name string) int // of a request's body, in bytes
}

// A method makes the request's message, has fill fill it, and carries the call out.
type method func(ctx context.Context, fill func(protoreflect.Message) error) (proto.Message, error)

// unary makes a method of one of the service.
func unary[T any, Request interface {
	*T
	proto.Message
}, Answer proto.Message](call func(context.Context, Request) (Answer, error)) method {
	return func(ctx context.Context, fill func(protoreflect.Message) error) (proto.Message, error) {
		r := Request(new(T))
		if err := fill(r.ProtoReflect()); err != nil {
			return nil, err
		}
		return call(ctx, r)
	}
}

// methods lists all methods by their names under /api.
func (s *service) methods() map[string]method {
	return map[string]method{
		"publish":        unary(s.Publish),
		"publish_batch":  unary(s.PublishBatch),
		"broadcast":      unary(s.Broadcast),
		"history":        unary(s.History),
		"presence":       unary(s.Presence),
		"presence_count": unary(s.PresenceCount),
		"channels":       unary(s.Channels),
		"connections":    unary(s.Connections),
		"subscribe":      unary(s.Subscribe),
		"unsubscribe":    unary(s.Unsubscribe),
		"disconnect":     unary(s.Disconnect),
		"send":           unary(s.Send),
		"info":           unary(s.Info),
	}
}

func (h *plain) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/api/")
	if name == documentName && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		write(w, http.StatusOK, apipb.OpenAPI)
		return
	}
	answer, err := h.call(name, w, r)
	if err != nil {
		writeError(w, explain(err))
		return
	}
	write(w, http.StatusOK, append(appendJSON(nil, answer.ProtoReflect()), '\n'))
}

func (h *plain) call(name string, w http.ResponseWriter, r *http.Request) (proto.Message, error) {
	m := h.methods[name]
	if m == nil {
		return nil, errorf(NoMethod, "there is no such method")
	}
	if err := checkHeader(r); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(r.Context(), callTime, errCallTime)
	defer cancel()
	return m(ctx, func(message protoreflect.Message) error {
		body, err := readBody(w, r, int64(h.limit(name)))
		if err != nil {
			return err
		}
		return decodeJSON(body, message)
	})
}

func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	tooBig := errorf(RequestTooBig, "a request of more than %d bytes", limit)
	if r.ContentLength > limit {
		if r.ProtoMajor == 1 {
			// Nobody waits for the body that was announced.
			w.Header().Set("Connection", "close")
		}
		return nil, tooBig
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, tooBig
	}
	if err != nil {
		return nil, errorf(BadRequest, "the body ended early")
	}
	return body, nil
}

// checkHeader looks at everything but the body.
func checkHeader(r *http.Request) error {
	if r.Method != http.MethodPost {
		return errorf(UsePost, "use POST")
	}
	if err := checkOrigin(r); err != nil {
		return err
	}
	mediaType, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	charset := params["charset"]
	if err != nil || mediaType != "application/json" || charset != "" && !strings.EqualFold(charset, "utf-8") {
		return errorf(ContentType, "use Content-Type: application/json")
	}
	return nil
}

func writeError(w http.ResponseWriter, err *Error) {
	if err.Reason == UsePost {
		w.Header().Set("Allow", http.MethodPost)
	}
	write(w, err.Reason.info().Status, append(appendJSON(nil, err.message().ProtoReflect()), '\n'))
}

func write(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may have gone
}
