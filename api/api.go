// Package api is what back ends call: publishing, history, presence, and what can
// be done to clients. api.proto in [apipb] defines it, and it is served as plain
// JSON under /api, and by the Connect protocol, gRPC and gRPC-Web.
//
// docs/reference/api.md describes it.
package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"connectrpc.com/connect"

	"github.com/seed-15847954/ropewalk/api/apipb/apipbconnect"
	"github.com/seed-15847954/ropewalk/hub"
)

const (
	// callTime bounds a call.
	callTime = 10 * time.Second

	// maxEnvelope is what a request may have around the data, in bytes.
	maxEnvelope = 4 << 10

	// minRequest is what every request may have, so that many small messages fit in.
	minRequest = 1 << 20

	// maxMany bounds the elements of a list in a request, and those of a page.
	maxMany = 1000

	// pageSize is the limit of a page that is not asked for.
	pageSize = 100
)

// A Config says what the handler stands on.
type Config struct {
	Hub *hub.Hub

	// Broker is what Hub stands on, and BrokerName what it is called.
	Broker     hub.Broker
	BrokerName string

	// Clients are those of this node. Nil means none.
	Clients Clients

	// Node and Version are for Info.
	Node, Version string

	// MaxData bounds the data of one publication, in bytes, where the channel does not
	// bound it further. Zero means 64 KiB.
	MaxData int
}

// Patterns are those of http.ServeMux that the handler is for.
func Patterns() []string {
	return []string{"/api/{method}", "/" + apipbconnect.ApiName + "/{method}"}
}

// New returns the handler of all [Patterns].
//
// Pages of other origins cannot use it: a request with an Origin header that is
// not the server's own is refused, and so is every content type that a form can send.
func New(config Config) http.Handler {
	if config.MaxData == 0 {
		config.MaxData = 64 << 10
	}
	if config.Clients == nil {
		config.Clients = nobody{}
	}
	s := &service{Config: config, start: time.Now()}
	// Base64 makes four bytes of three.
	limit := max(minRequest, config.MaxData/3*4+maxEnvelope)

	options := []connect.HandlerOption{
		connect.WithReadMaxBytes(limit),
		connect.WithInterceptors(connect.UnaryInterceptorFunc(intercept)),
		connect.WithCodec(protoCodec{}),
		connect.WithCodec(jsonCodec{"json"}),
		connect.WithCodec(jsonCodec{"json; charset=utf-8"}),
	}
	path, rpc := apipbconnect.NewApiHandler(s, options...)
	refusal := connect.NewErrorWriter(options...)
	mux := http.NewServeMux()
	mux.Handle("/api/", &plain{methods: s.methods(), limit: int64(limit)})
	mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
		if err := checkOrigin(r); err != nil {
			refuse(refusal, w, r, explain(err))
			return
		}
		rpc.ServeHTTP(w, r)
	})
	return mux
}

// refuse answers a call in its own protocol.
func refuse(refusal *connect.ErrorWriter, w http.ResponseWriter, r *http.Request, err *Error) {
	if refusal.IsSupported(r) {
		_ = refusal.Write(w, r, err.rpc()) // the client may have gone
		return
	}
	writeError(w, err)
}

// intercept bounds the time of a call and turns its error into one of the
// Connect protocol.
func intercept(next connect.UnaryFunc) connect.UnaryFunc {
	return func(ctx context.Context, r connect.AnyRequest) (connect.AnyResponse, error) {
		ctx, cancel := context.WithTimeoutCause(ctx, callTime, errCallTime)
		defer cancel()
		answer, err := next(ctx, r)
		if err != nil {
			return nil, explain(err).rpc()
		}
		return answer, nil
	}
}

// Publish returns the handler of New with nothing but a hub.
func Publish(h *hub.Hub, maxData int) http.Handler {
	return New(Config{Hub: h, MaxData: maxData})
}

var errCallTime = errors.New("the call took too long")
