package brokertest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/seed-15847954/ropewalk/hub"
)

// witnessTime bounds what a witness waits for.
const witnessTime = 60 * time.Second

// A Witness follows one channel of a broker to which something happens. It is a [hub.Sink].
type Witness struct {
	channel string

	mu   sync.Mutex
	from hub.Position
	got  []*hub.Publication
	news chan struct{}
}

// Watch subscribes to a channel.
func Watch(t testing.TB, b hub.Broker, channel string) *Witness {
	t.Helper()
	w := &Witness{channel: channel, news: make(chan struct{}, 1)}
	ctx, cancel := context.WithTimeout(t.Context(), witnessTime)
	defer cancel()
	pos, err := b.Subscribe(ctx, channel, w)
	if err != nil {
		t.Fatal(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.from = pos
	return w
}

// Deliver takes a publication.
func (w *Witness) Deliver(p *hub.Publication) {
	w.mu.Lock()
	w.got = append(w.got, p)
	w.mu.Unlock()
	select {
	case w.news <- struct{}{}:
	default:
	}
}

// Change is for presence, which a witness has none of.
func (*Witness) Change(*hub.PresenceChange) {}

// Moved is ignored.
func (*Witness) Moved(hub.Position) {}

// Publish publishes n messages through a broker, each again and again with the same id until it is acknowledged,
// and returns where the last one is.
func (w *Witness) Publish(t testing.TB, b hub.Broker, name string, n int) (last hub.Position) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), witnessTime)
	defer cancel()
	o := &hub.Options{History: 1000, HistoryTime: time.Hour, Dedup: time.Hour}
	for i := range n {
		m := hub.Message{Channel: w.channel, ID: fmt.Sprint(name, " ", i), Data: []byte("1")}
		for {
			done, err := b.Publish(ctx, m, hub.PublishOptions{Options: o})
			if err == nil {
				last = done.Position
				break
			}
			if ctx.Err() != nil {
				t.Fatal(err)
			}
		}
	}
	return last
}

// Await waits until the last publication that came is at a position.
func (w *Witness) Await(t testing.TB, at hub.Position) {
	t.Helper()
	limit := time.NewTimer(witnessTime)
	defer limit.Stop()
	for {
		w.mu.Lock()
		n := len(w.got)
		done := n > 0 && w.got[n-1].Position == at
		w.mu.Unlock()
		if done {
			return
		}
		select {
		case <-w.news:
		case <-limit.C:
			t.Fatalf("%v has not come, but %d publications", at, n)
		}
	}
}

// Changed returns whether another epoch has begun, and fails the test where something is missing and none has.
func (w *Witness) Changed(t testing.TB) (changed bool) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	pos := w.from
	for _, p := range w.got {
		switch {
		case p.Epoch != pos.Epoch:
			changed = true
		case p.Offset <= pos.Offset:
			continue // it may come again
		case p.Prev != pos.Offset:
			t.Fatalf("%v with prev %d behind %v", p.Position, p.Prev, pos)
		}
		pos = p.Position
	}
	return changed
}
