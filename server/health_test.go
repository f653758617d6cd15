package server

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15847954/ropewalk/broker/memory"
	"github.com/seed-15847954/ropewalk/hub"
)

// A sickBroker is one of memory that is taken for one over a network, and does not work at times.
type sickBroker struct {
	b *memory.Broker

	mu       sync.Mutex
	failing  error // of Publish
	silent   bool  // nothing comes back
	hangs    bool  // until the context ends
	deafness error // of the cluster
}

func (b *sickBroker) set(change func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change()
}

func (b *sickBroker) Err() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.deafness
}

func (b *sickBroker) Publish(ctx context.Context, m hub.Message, o hub.PublishOptions) (hub.Published, error) {
	b.mu.Lock()
	failing, silent, hangs := b.failing, b.silent, b.hangs
	b.mu.Unlock()
	switch {
	case hangs:
		<-ctx.Done()
		return hub.Published{}, ctx.Err()
	case failing != nil || silent:
		return hub.Published{}, failing
	}
	return b.b.Publish(ctx, m, o)
}

func (b *sickBroker) Subscribe(ctx context.Context, channel string, sink hub.Sink) (hub.Position, error) {
	return b.b.Subscribe(ctx, channel, sink)
}

func (b *sickBroker) Unsubscribe(ctx context.Context, channel string) error {
	return b.b.Unsubscribe(ctx, channel)
}

func (b *sickBroker) History(ctx context.Context, channel string, q hub.Query) (hub.Page, error) {
	return b.b.History(ctx, channel, q)
}

func TestHealthIsProved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &sickBroker{b: memory.New(memory.Config{})}
		log := new(record)
		w := newHealth(hub.New(b, hub.Config{}), b, b, slog.New(slog.NewTextHandler(log, nil)))
		check := func(status int, reason string) {
			t.Helper()
			answer := httptest.NewRecorder()
			w.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/health", nil))
			if answer.Code != status || !strings.Contains(answer.Body.String(), reason) {
				t.Errorf("%d %s, want %d %s", answer.Code, answer.Body, status, reason)
			}
		}
		pass := func(d time.Duration) {
			<-time.After(d)
			synctest.Wait()
		}
		check(503, "has just begun")
		w.start()
		synctest.Wait()
		check(200, `"ok"`)

		b.set(func() { b.failing = errors.New("10.0.0.1 with the secret name") })
		pass(probeTime)
		check(503, "does not take")
		if text := log.String(); !strings.Contains(text, "secret name") || strings.Count(text, "not healthy") != 1 {
			t.Errorf("the log has %q", text)
		}
		b.set(func() { b.failing = nil })
		pass(probeAgain)
		check(200, `"ok"`)

		b.set(func() { b.hangs = true })
		pass(probeTime + probeLimit)
		check(503, "does not take")
		b.set(func() { b.hangs, b.silent = false, true })
		pass(probeAgain + 2*probeLimit)
		check(503, "do not come back")
		b.set(func() { b.silent = false })
		pass(probeLimit + probeAgain)
		check(200, `"ok"`)

		b.set(func() { b.deafness = errors.New("deaf") })
		pass(probeTime)
		check(503, "does not hear the others")
		w.close()
	})
}

// A broker over the network is watched from the first moment on.
func TestHealthOfBroker(t *testing.T) {
	s := start(t, Config{Broker: "embedded", Data: t.TempDir()})
	for {
		resp, body := s.do("GET", "/health", "")
		if resp.StatusCode == http.StatusOK {
			break
		}
		if resp.StatusCode != http.StatusServiceUnavailable || !strings.Contains(body, errBegins.Error()) {
			t.Fatalf("%s %s", resp.Status, body)
		}
	}
	if resp, body := s.do("GET", "/live", ""); resp.StatusCode != http.StatusOK || body != `{"status":"ok"}`+"\n" {
		t.Errorf("/live: %s %s", resp.Status, body)
	}
}
