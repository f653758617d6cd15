package proof_test

import (
	"context"
	"net"
	"net/http"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/seed-15847954/ropewalk/api"
	"github.com/seed-15847954/ropewalk/hub"
	"github.com/seed-15847954/ropewalk/proof"
	"github.com/seed-15847954/ropewalk/protocol/native"
	"github.com/seed-15847954/ropewalk/session"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A house is a server in this process, on a broker that a test has chosen. The
// rest is the server's own code, put together as package server does.
type house struct {
	broker func() hub.Broker // of each life
	addr   string

	sessions *session.Set
	lobby    *session.Lobby
	handler  *native.Handler
	http     *http.Server
	served   chan struct{}
}

// housed returns a Starter of houses.
func housed(broker func() hub.Broker) proof.Starter {
	return func(context.Context, proof.Settings) (proof.Server, error) {
		h := &house{broker: broker}
		return h, h.start("127.0.0.1:0")
	}
}

func (h *house) start(addr string) error {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	h.addr = ln.Addr().String()
	broker := h.broker()
	channels := hub.New(broker, hub.Config{
		Default:   hub.Options{History: 100_000, HistoryTime: time.Hour, Dedup: time.Hour, Presence: true},
		TailBytes: -1, // the broker's history is asked, whose answers may be wrong
	})
	h.sessions, h.lobby = new(session.Set), &session.Lobby{Time: time.Minute}
	if h.handler, err = native.New(native.Config{Hub: channels, Sessions: h.sessions, Lobby: h.lobby, Node: "house"}); err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/connection/websocket", h.handler)
	for _, pattern := range api.Patterns() {
		mux.Handle(pattern, api.New(api.Config{Hub: channels, Broker: broker}))
	}
	h.http, h.served = &http.Server{Handler: mux}, make(chan struct{})
	go func() {
		defer close(h.served)
		_ = h.http.Serve(ln)
	}()
	return nil
}

func (h *house) Addr() string { return h.addr }

func (h *house) Drain(ctx context.Context) error {
	if err := h.end(ctx); err != nil {
		return err
	}
	return h.start(h.addr)
}

func (h *house) Kill(ctx context.Context) error { return h.Drain(ctx) }

func (h *house) Close() error { return h.end(context.Background()) }

func (h *house) end(ctx context.Context) error {
	stopped := make(chan error, 1)
	go func() { stopped <- h.http.Shutdown(ctx) }()
	err := h.sessions.Drain(ctx)
	h.lobby.Close()
	if shutdown := <-stopped; err == nil {
		err = shutdown
	}
	<-h.served
	h.handler.Wait()
	return err
}
