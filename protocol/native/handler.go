// Package native speaks Ropewalk's own protocol with clients: commands, replies
// and pushes as docs/reference/protocol.md has them. It turns WebSocket
// connections into sessions and knows nothing of what a channel does.
package native

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/seed-15847954/ropewalk/hub"
	"github.com/seed-15847954/ropewalk/session"
	"github.com/seed-15847954/ropewalk/websocket"
)

const (
	// maxEarly is how many bytes a client may send before it has said connect.
	maxEarly = 16 << 10

	// maxEnvelope is what a message may have around the data of a publication: a
	// channel name, an id, tags and a media type.
	maxEnvelope = 16 << 10

	// pingTime is how long a connection may be silent before the server asks for a
	// sign of life.
	pingTime = 25 * time.Second
)

// Config says what a Handler stands on. Zero values are safe.
type Config struct {
	// Hub is where the sessions subscribe and publish.
	Hub *hub.Hub

	// Sessions takes the live sessions in. The owner of the set drains it; that
	// ends the connections, which http.Server.Shutdown does not see.
	Sessions *session.Set

	// Origins are the origins, besides the server's own, whose pages may connect:
	// patterns as websocket.AcceptOptions.OriginPatterns has them.
	Origins []string

	// ConnectTimeout is how long a connection may stay open without connect.
	// Zero means 5 seconds.
	ConnectTimeout time.Duration

	// MaxData bounds the data of one publication, in bytes. Zero means 64 KiB.
	MaxData int

	// MaxQueue bounds what waits to be sent to one client, in bytes. Zero means 1 MiB. A
	// quarter of it, at most 64 KiB, waits in the connection, out of reach of the policies
	// for slow consumers; the rest in the session.
	MaxQueue int

	// MaxSubscriptions and Stats are those of session.Config.
	MaxSubscriptions int
	Stats            *session.Stats

	// Lobby is where clients that have lost their connection are waited for. Nil
	// means that nobody is.
	Lobby *session.Lobby

	// Node is the name of this node. Session IDs begin with it.
	Node string

	// Forward passes a request for a session of another node on to that node and reports
	// whether it could: where not, nothing is answered yet. Nil passes nothing on.
	Forward func(node string, w http.ResponseWriter, r *http.Request) bool

	// RPC are the methods that clients can call.
	RPC map[string]Method

	// Observer is told what happens. Nil means nobody.
	Observer Observer

	// Log takes what an operator may want to read. Nil means slog.Default.
	Log *slog.Logger
}

// A Method answers a client's call with data of the same kind as that of the Call. An
// *Error goes to the client as it is; it does not learn of any other but that there was one.
type Method func(ctx context.Context, c Call) (data []byte, contentType string, err error)

// A Call is what a client asks of a Method, which may keep it.
type Call struct {
	// Client is the public name of the client, User and Info are what presence says about
	// it: Info is JSON text, or empty.
	Client, User string
	Info         []byte

	// Data is JSON text unless ContentType is set.
	Data        []byte
	ContentType string
}

// An Observer counts what happens on connections. Its methods are called at once
// by many goroutines and do not block.
type Observer interface {
	// Opened is called when an opening handshake has succeeded, and Closed with the
	// connection's close code when that connection has ended. Refused is called
	// instead of both, with the status of the answer, or 0 when none could be sent.
	Opened()
	Closed(code uint16)
	Refused(status int)

	// Received and Sent are called for each message with the size of its payload.
	Received(bytes int)
	Sent(bytes int)
}

// A Handler accepts WebSocket connections of the native protocol.
type Handler struct {
	Config
	accept  websocket.AcceptOptions
	blocked sync.Map // *websocket.Conn to *transport: those that have no room

	connQueue int // the part of MaxQueue that waits in the connection

	connections sync.WaitGroup // those that have not ended
}

// Wait returns when no connection is left: each has ended, with all that stands behind
// it. New ones are not to come meanwhile.
func (h *Handler) Wait() { h.connections.Wait() }

// New returns a handler for config. The error says which of the Origins is wrong.
func New(config Config) (*Handler, error) {
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = 5 * time.Second
	}
	if config.MaxData == 0 {
		config.MaxData = 64 << 10
	}
	if config.Observer == nil {
		config.Observer = deaf{}
	}
	if config.Log == nil {
		config.Log = slog.Default()
	}
	if config.MaxQueue == 0 {
		config.MaxQueue = 1 << 20
	}
	h := &Handler{Config: config, connQueue: min(config.MaxQueue/4, maxConnQueue)}
	h.accept = websocket.AcceptOptions{
		Subprotocols:   []string{SubprotocolProtobuf, Subprotocol},
		OriginPatterns: config.Origins,
		// Base64 is a third longer than the data.
		Limits: websocket.Limits{MaxMessageSize: int64(config.MaxData)*4/3 + maxEnvelope},
		Queue: websocket.Queue{
			MaxBytes: h.connQueue,
			Overflow: websocket.OverflowDropNew,
			OnDrain:  func(conn *websocket.Conn) { drained(&h.blocked, conn) },
		},
	}
	return h, h.accept.Check()
}

// ServeHTTP makes a connection of the request. It returns when the client has said
// connect: from then on no goroutine is the connection's. Over HTTP/2 it
// returns when the connection has ended.
//
// A client that offers no subprotocol is taken to speak Subprotocol. One that
// offers others alone is refused nothing either: RFC 6455, section 4.2.2 leaves it
// to the client to go on without one, and strict decoding ends a mistake soon.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// From before the HTTP server lets go of the connection.
	h.connections.Add(1)
	conn, err := websocket.Accept(w, r, &h.accept)
	if err != nil {
		h.connections.Done()
		h.refused(r, err)
		return
	}
	if r.ProtoMajor == 1 {
		h.serve(conn, nil)
		return
	}
	ended := make(chan struct{})
	h.serve(conn, ended)
	<-ended // the connection is a stream, which ends with the handler
}

func (h *Handler) refused(r *http.Request, err error) {
	status := 0
	if e, ok := errors.AsType[*websocket.HandshakeError](err); ok {
		status = e.Status
	}
	h.Observer.Refused(status)
	h.Log.Info("opening handshake refused", "remote", r.RemoteAddr, "status", status, "error", err)
}

// deaf is the Observer that nobody asked for.
type deaf struct{}

func (deaf) Opened()       {}
func (deaf) Closed(uint16) {}
func (deaf) Refused(int)   {}
func (deaf) Received(int)  {}
func (deaf) Sent(int)      {}
