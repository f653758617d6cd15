package server

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/seed-15847954/ropewalk/hub"
)

const (
	// probeTime is how often a node publishes to itself, and probeAgain how often while that fails.
	probeTime  = 5 * time.Second
	probeAgain = time.Second

	// probeLimit is how long a publication may take to come back.
	probeLimit = 3 * time.Second
)

// Why a node is not healthy, as everybody is told. The log has what the broker says.
var (
	errBegins      = errors.New("the node has just begun")
	errNotTaken    = errors.New("the broker does not take publications")
	errNotReturned = errors.New("publications do not come back from the broker")
	errDeafNode    = errors.New("the node does not hear the others")
)

// A health knows whether publications reach clients: it publishes through the broker and
// waits for that to come back.
type health struct {
	// Constant after newHealth.
	hub     *hub.Hub
	cluster interface{ Err() error }
	log     *slog.Logger
	cancel  context.CancelFunc
	ended   sync.WaitGroup

	mu   sync.Mutex
	err  error
	wait map[string]chan struct{} // closed when a publication with that data has come back
}

// newHealth returns one that does not watch yet. A broker in this process always works: it is never watched.
func newHealth(h *hub.Hub, broker hub.Broker, cluster interface{ Err() error }, log *slog.Logger) *health {
	w := &health{hub: h, cluster: cluster, log: log, cancel: func() {}, wait: make(map[string]chan struct{})}
	if _, near := broker.(hub.NearHistorian); !near {
		w.err = errBegins
	}
	return w
}

// start begins to watch. It is called once, before close.
func (w *health) start() {
	if w.reason() == nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	w.cancel = cancel
	w.ended.Go(func() { w.run(ctx) })
}

func (w *health) close() {
	w.cancel()
	w.ended.Wait()
}

// run probes until ctx ends.
func (w *health) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		reason, err := w.probe(ctx)
		if ctx.Err() != nil {
			return
		}
		w.note(reason, err)
		next := probeTime
		if reason != nil {
			next = probeAgain
		}
		timer.Reset(next)
	}
}

// note takes what became of a probe.
func (w *health) note(reason, err error) {
	w.mu.Lock()
	before := w.err
	w.err = reason
	w.mu.Unlock()
	switch {
	case reason != nil && !errors.Is(before, reason):
		w.log.Warn("not healthy", "reason", reason, "error", err)
	case reason == nil && before != nil && !errors.Is(before, errBegins):
		w.log.Info("healthy again")
	}
}

// probe returns why a publication did not come back, as everybody may know, and as it was.
func (w *health) probe(ctx context.Context) (reason, err error) {
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	if err := w.cluster.Err(); err != nil {
		return errDeafNode, err
	}
	// Anew each time: whoever is lost is told once.
	if _, err := w.hub.Subscribe(ctx, hub.HealthChannel, w); err != nil && !errors.Is(err, hub.ErrAlreadySubscribed) {
		return errNotTaken, err
	}
	data := fmt.Sprintf("%q", rand.Text())
	back := make(chan struct{})
	w.mu.Lock()
	w.wait[data] = back
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.wait, data)
	}()
	if _, err := w.hub.Publish(ctx, hub.Message{Channel: hub.HealthChannel, Data: []byte(data)}, nil); err != nil {
		return errNotTaken, err
	}
	select {
	case <-back:
		return nil, nil
	case <-ctx.Done():
		return errNotReturned, context.Cause(ctx)
	}
}

// Deliver takes what has come back. It implements [hub.Subscriber].
func (w *health) Deliver(p *hub.Publication) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if back := w.wait[string(p.Data)]; back != nil {
		close(back)
		delete(w.wait, string(p.Data))
	}
}

// Change and Lost do nothing: the next probe subscribes again.
func (*health) Change(*hub.PresenceChange) {}

func (*health) Lost(error) {}

// reason returns why the node is not healthy, nil if it is.
func (w *health) reason() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// ServeHTTP answers 200 while publications reach this node's clients, and 503 with the reason
// otherwise. While the server ends nobody can ask: from the first moment on connections are refused,
// which tells as much.
func (w *health) ServeHTTP(rw http.ResponseWriter, _ *http.Request) {
	answer := struct {
		Status string `json:"status"`
		Reason string `json:"reason,omitempty"`
	}{Status: "ok"}
	status := http.StatusOK
	if err := w.reason(); err != nil {
		answer.Status, answer.Reason, status = "failing", err.Error(), http.StatusServiceUnavailable
	}
	rw.Header().Set("Content-Type", "application/json")
	rw.Header().Set("Cache-Control", "no-store")
	rw.WriteHeader(status)
	_ = json.NewEncoder(rw).Encode(answer) // the client may have gone
}

// live answers 200 while the process answers: one that is not healthy is not to be killed for it.
func live(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write([]byte(`{"status":"ok"}` + "\n")) // the client may have gone
}
