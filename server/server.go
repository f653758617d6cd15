// Package server makes a running process of a configuration: the listener, the
// routes, metrics, and the orderly end.
package server

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/seed-15847954/ropewalk/api"
	"github.com/seed-15847954/ropewalk/broker/registry"
	"github.com/seed-15847954/ropewalk/cluster"
	"github.com/seed-15847954/ropewalk/console"
	"github.com/seed-15847954/ropewalk/hub"
	"github.com/seed-15847954/ropewalk/protocol/native"
	"github.com/seed-15847954/ropewalk/session"
)

// Timeouts and sizes for HTTP requests. They do not apply to WebSocket
// connections, which package native bounds.
const (
	headerTime = 5 * time.Second
	readTime   = 10 * time.Second
	writeTime  = 10 * time.Second
	idleTime   = 60 * time.Second
	maxHeader  = 16 << 10

	// pingTime is how long an HTTP/2 connection may be silent before it is asked for a
	// sign of life, and how long that may take.
	pingTime = 15 * time.Second
)

// A Server serves clients until it is told to stop.
type Server struct {
	// Constant after New.
	config   Config
	log      *slog.Logger
	broker   registry.Broker
	hub      *hub.Hub
	sessions *session.Set
	lobby    *session.Lobby // nil: nobody is waited for
	stats    session.Stats
	node     string
	cluster  *cluster.Cluster
	forward  *forwarder
	health   *health
	calls    *api.Handler
	http     *http.Server

	// connections are those that have left the HTTP server's care.
	connections *native.Handler
}

// New returns a server for config, whose zero values mean their defaults. The
// error says which setting is wrong.
func New(config Config, log *slog.Logger) (*Server, error) {
	config = config.withDefaults()
	if err := config.checkListen(); err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	if err := config.checkBroker(); err != nil {
		return nil, fmt.Errorf("broker: %w", err)
	}
	broker, err := config.openBroker(log)
	if err != nil {
		return nil, fmt.Errorf("broker: %w", err)
	}
	s := &Server{
		config:   config,
		log:      log,
		broker:   broker,
		sessions: new(session.Set),
		node:     newNode(),
	}
	s.join()
	if config.ResumeTime > 0 {
		s.lobby = &session.Lobby{Time: config.ResumeTime}
	}
	routes, err := s.routes()
	if err != nil {
		broker.Close()
		return nil, err
	}
	mux := http.NewServeMux()
	for _, r := range routes {
		mux.Handle(r.pattern, r.handler)
	}
	s.http = &http.Server{
		Handler:           ending(newHostCheck(config, s.forward.check(mux))),
		ReadHeaderTimeout: headerTime,
		ReadTimeout:       readTime,
		WriteTimeout:      writeTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    maxHeader,
		Protocols:         protocols(),
		HTTP2:             &http.HTTP2Config{SendPingTimeout: pingTime, PingTimeout: pingTime, WriteByteTimeout: writeTime},
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	return s, nil
}

// protocols are HTTP/1.1, and HTTP/2 with prior knowledge: a proxy that ends TLS can
// carry all its clients on a few connections. WebSocket is part of that in programs
// that import package xconnect.
func protocols() *http.Protocols {
	p := new(http.Protocols)
	p.SetHTTP1(true)
	p.SetUnencryptedHTTP2(true)
	return p
}

// newNode returns a name for this process that no other has: 32 random bits are
// plenty for the nodes of one cluster.
func newNode() string {
	var b [4]byte
	rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	return hex.EncodeToString(b[:])
}

// A route is a pattern of http.ServeMux with what stands behind it.
type route struct {
	pattern string
	handler http.Handler
}

// routes returns everything that the server answers.
func (s *Server) routes() ([]route, error) {
	m := newMetrics()
	m.gauge("ropewalk_sessions", "Sessions.", s.sessions.Len)
	m.gauge("ropewalk_sessions_away", "Clients that have lost their connection and may come back.", func() int { return away(s.lobby) })
	m.registry.MustRegister(&channelMetrics{s.hub, &s.stats})
	m.insecure(s.config.insecure())
	handler, err := native.New(native.Config{
		Hub:              s.hub,
		Sessions:         s.sessions,
		Origins:          s.config.Origins,
		MaxData:          s.config.MaxData,
		MaxQueue:         s.config.MaxQueue,
		MaxSubscriptions: s.config.MaxSubscriptions,
		Stats:            &s.stats,
		Lobby:            s.lobby,
		Node:             s.node,
		Forward:          s.forward.forward,
		Observer:         m,
		Log:              s.log,
	})
	if err != nil {
		return nil, fmt.Errorf("origins: %w", err)
	}
	s.connections = handler
	var routes []route
	for _, r := range handler.Routes() {
		routes = append(routes, route{r.Pattern, r.Handler})
	}
	routes = append(routes, []route{
		{"GET /health", s.health},
		{"GET /live", http.HandlerFunc(live)},
		{"GET /metrics", m.handler()},
		{"GET /ropewalk.js", console.Client()},
	}...)
	s.calls = api.New(api.Config{
		Hub: s.hub, Broker: s.broker.Broker, BrokerName: s.broker.Name, Clients: clients{s.sessions, s.lobby}, Slow: &s.stats,
		Nodes: s.cluster, Node: s.node, Version: s.config.Version, MaxData: s.config.MaxData,
	})
	for _, pattern := range api.Patterns() {
		routes = append(routes, route{pattern, s.calls})
	}
	if s.config.Dev {
		page := console.Handler()
		for _, path := range console.Paths() {
			routes = append(routes, route{"GET " + path, page})
		}
	}
	return routes, nil
}

// ending has the connection end behind every answer to a request with an Upgrade
// but 101: nothing that follows is taken for another request, whoever believes
// that the protocol was switched.
func ending(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// Listen opens the configured address.
func (s *Server) Listen() (net.Listener, error) {
	ln, err := net.Listen("tcp", s.config.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	return ln, nil
}

// Serve serves the connections that ln accepts until ctx ends. It then stops
// accepting, closes every connection with code 1001, waits for their ends for as
// long as DrainTimeout allows, and returns nil. It takes over ln, and
// returns an error when ln fails, or the bus between the nodes. It is called once.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	for _, setting := range s.config.insecure() {
		s.log.Warn("insecure setting", "setting", setting)
	}
	if err := s.meet(ctx, ln.Addr()); err != nil {
		_ = ln.Close() // nobody has been served
		s.broker.Close()
		if ctx.Err() != nil {
			return nil //nolint:nilerr // that is why it does not know the others
		}
		return err
	}
	failed := make(chan error, 1)
	go func() { failed <- s.http.Serve(ln) }()
	select {
	case err := <-failed:
		s.drain()
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
		s.drain()
		if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve: %w", err)
		}
		return nil
	}
}

// drain ends everything. It returns within DrainTimeout, and a little.
func (s *Server) drain() {
	s.log.Info("draining", "sessions", s.sessions.Len(), "timeout", s.config.DrainTimeout)
	ctx, cancel := context.WithTimeout(context.Background(), s.config.DrainTimeout)
	defer cancel()

	stopped := make(chan error, 1)
	go func() { stopped <- s.http.Shutdown(ctx) }()
	if err := s.sessions.Drain(ctx); err != nil {
		s.log.Warn("connections were cut off", "cause", err)
	}
	if s.lobby != nil {
		s.lobby.Close()
	}
	if err := <-stopped; err != nil {
		s.log.Warn("requests were cut off", "cause", err)
		_ = s.http.Close() // the listener is closed already
	} else {
		s.connections.Wait()
	}
	s.health.close()
	s.forward.close()
	s.cluster.Close()
	s.broker.Close()
	s.log.Info("stopped")
}
