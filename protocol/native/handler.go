// Package native speaks Ropewalk's own protocol with clients: commands, replies
// and pushes as docs/reference/protocol.md has them. It turns WebSocket
// connections into sessions and knows nothing of what a channel does.
package native

import (
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/seed-15847954/ropewalk/hub"
	"github.com/seed-15847954/ropewalk/session"
	"github.com/seed-15847954/ropewalk/websocket"
)

const (
	// maxEarly is how many bytes a client may send before it has said connect.
	maxEarly = 16 << 10

	// maxEnvelope is what a message may have around the data of a publication:
	// a channel name, an id and a media type, each character escaped.
	maxEnvelope = 4 << 10

	// brokerTime bounds one command's call to the broker.
	brokerTime = 5 * time.Second
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

	// MaxQueue and MaxSubscriptions are those of session.Config.
	MaxQueue         int
	MaxSubscriptions int

	// Observer is told what happens. Nil means nobody.
	Observer Observer

	// Log takes what an operator may want to read. Nil means slog.Default.
	Log *slog.Logger
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
	accept websocket.AcceptOptions
}

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
	h := &Handler{Config: config, accept: websocket.AcceptOptions{
		Subprotocols:   []string{Subprotocol},
		OriginPatterns: config.Origins,
		Limits:         websocket.Limits{MaxMessageSize: int64(config.MaxData) + maxEnvelope},
	}}
	return h, h.accept.Check()
}

// ServeHTTP makes a connection of the request and serves it until it ends.
//
// A client that offers no subprotocol is taken to speak Subprotocol. One that
// offers others alone is refused nothing either: RFC 6455, section 4.2.2 leaves it
// to the client to go on without one, and strict decoding ends a mistake soon.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, &h.accept)
	if err != nil {
		h.refused(r, err)
		return
	}
	h.Observer.Opened()
	defer func() { h.Observer.Closed(uint16(closeCode(conn))) }()
	h.serve(conn)
}

func (h *Handler) refused(r *http.Request, err error) {
	status := 0
	if e, ok := errors.AsType[*websocket.HandshakeError](err); ok {
		status = e.Status
	}
	h.Observer.Refused(status)
	h.Log.Info("opening handshake refused", "remote", r.RemoteAddr, "status", status, "error", err)
}

// serve makes a session of conn and returns when it has ended.
func (h *Handler) serve(conn *websocket.Conn) {
	c := &client{Handler: h, conn: conn}
	c.session = session.New(session.Config{
		Hub:              h.Hub,
		Transport:        &transport{conn: conn, observer: h.Observer},
		Codec:            jsonCodec{},
		MaxQueue:         h.MaxQueue,
		MaxSubscriptions: h.MaxSubscriptions,
	})
	err := h.Sessions.Add(c.session)
	if err == nil {
		defer h.Sessions.Remove(c.session)
		err = c.converse()
	}
	c.session.Close(err)
	<-c.session.Done()
	h.Log.Debug("session ended", "session", c.session.ID(), "remote", conn.RemoteAddr(), "cause", c.session.Cause())
}

// deaf is the Observer that nobody asked for.
type deaf struct{}

func (deaf) Opened()       {}
func (deaf) Closed(uint16) {}
func (deaf) Refused(int)   {}
func (deaf) Received(int)  {}
func (deaf) Sent(int)      {}
