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
	"github.com/seed-15847954/ropewalk/session"
)

const (
	// callTime bounds a call.
	callTime = 10 * time.Second

	// maxEnvelope is what a request may have around the data, in bytes, and
	// maxEnvelopes that of one about many things.
	maxEnvelope  = 16 << 10
	maxEnvelopes = 1 << 20

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

	// Slow counts what became of slow clients. Nil means nobody does.
	Slow *session.Stats

	// Nodes are the others of the cluster. Nil means that there are none.
	Nodes Nodes

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

// A Handler serves all [Patterns].
type Handler struct {
	http.Handler
	service *service
}

// New returns a handler for config.
//
// Pages of other origins cannot use it: a request with an Origin header that is
// not the server's own is refused, and so is every content type that a form can send.
func New(config Config) *Handler {
	if config.MaxData == 0 {
		config.MaxData = 64 << 10
	}
	if config.Slow == nil {
		config.Slow = new(session.Stats)
	}
	if config.Clients == nil {
		config.Clients = nobody{}
	}
	if config.Nodes == nil {
		config.Nodes = alone{}
	}
	s := &service{Config: config, start: time.Now()}
	options := []connect.HandlerOption{
		connect.WithConditionalHandlerOptions(s.options),
		connect.WithInterceptors(connect.UnaryInterceptorFunc(intercept)),
		connect.WithCodec(protoCodec{}),
		connect.WithCodec(jsonCodec{"json"}),
		connect.WithCodec(jsonCodec{"json; charset=utf-8"}),
	}
	path, rpc := apipbconnect.NewApiHandler(s, options...)
	refusal := connect.NewErrorWriter(options...)
	mux := http.NewServeMux()
	mux.Handle("/api/", &plain{methods: s.methods(), limit: s.limit})
	mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
		if err := checkOrigin(r); err != nil {
			refuse(refusal, w, r, explain(err))
			return
		}
		rpc.ServeHTTP(w, r)
	})
	return &Handler{mux, s}
}

// aboutMany are the methods whose requests are about many things, by both names.
var aboutMany = map[string]bool{
	"publish_batch": true, apipbconnect.ApiPublishBatchProcedure: true,
	"broadcast": true, apipbconnect.ApiBroadcastProcedure: true,
}

// limit returns how many bytes a request of that method may have. Base64 makes four
// bytes of three.
func (s *service) limit(method string) int {
	envelope := maxEnvelope
	if aboutMany[method] {
		envelope = maxEnvelopes
	}
	return (s.MaxData+2)/3*4 + envelope
}

func (s *service) options(spec connect.Spec) []connect.HandlerOption {
	return []connect.HandlerOption{connect.WithReadMaxBytes(s.limit(spec.Procedure))}
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

var errCallTime = errors.New("the call took too long")
