package nats

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"

	"github.com/seed-15847954/ropewalk/hub"
)

// maxWaiting is how many messages wait for the goroutine that hands them over. What comes when
// there are more is dropped, which is noticed.
const maxWaiting = 1 << 16

// feeds are the subscriptions of this node. What comes on all of them is handed over by one
// goroutine, in the order in which the stream's leader has said it.
type feeds struct {
	b        *Broker
	messages chan *nats.Msg
	bus      *nats.Subscription
	nodes    *nats.Subscription
	done     chan struct{}
	running  bool

	mu       sync.Mutex
	byToken  map[string]*feed
	hear     func([]byte) // what is said on the bus; nil: nobody listens
	patterns map[hub.Pattern]hub.Sink
	all      *nats.Subscription // to every channel, while there is a pattern
}

func (l *feeds) init() {
	l.messages, l.done = make(chan *nats.Msg, maxWaiting), make(chan struct{})
	l.byToken, l.patterns = make(map[string]*feed), make(map[hub.Pattern]hub.Sink)
}

// listen begins to hand over.
func (l *feeds) listen(b *Broker) (err error) {
	l.b = b
	if l.bus, err = b.live.ChanSubscribe(b.names.bus(), l.messages); err != nil {
		return err
	}
	if l.nodes, err = b.live.ChanSubscribe(b.names.nodes(), l.messages); err != nil {
		return err
	}
	l.running = true
	go l.run()
	return nil
}

func (l *feeds) close() {
	if l.running {
		<-l.done
	}
}

func (l *feeds) run() {
	defer close(l.done)
	for {
		select {
		case m := <-l.messages:
			l.take(m)
		case <-l.b.ctx.Done():
			return
		}
	}
}

// take hands one message over.
func (l *feeds) take(m *nats.Msg) {
	switch m.Sub {
	case l.bus:
		l.mu.Lock()
		hear := l.hear
		l.mu.Unlock()
		if hear != nil {
			hear(m.Data)
		}
		return
	case l.nodes:
		l.b.peers.hear(l.b, m.Data)
		return
	}
	e, err := l.b.names.parseEntry(m.Header, m.Data)
	if err == nil && l.b.names.live(e.token) != m.Subject {
		err = fmt.Errorf("of %s", e.token)
	}
	if err != nil { // somebody else says something here; it is not in the log
		l.b.config.Log.Debug("nats: a message is none", "subject", m.Subject, "error", err)
		return
	}
	e.remaining = 0
	l.mu.Lock()
	f, all := l.byToken[e.token], l.all
	l.mu.Unlock()
	if m.Sub == all {
		l.match(&e)
		return
	}
	if f != nil {
		l.b.stream.remember(&e)
		strange, gap := f.deliver(&e)
		if gap {
			l.b.keeper.lost()
		}
		if strange {
			l.b.config.Log.Warn("nats: somebody else writes to the log of a channel", "channel", f.channel, "sequence", e.seq)
		}
	}
}

// Subscribe hands a channel's publications to sink.
func (b *Broker) Subscribe(ctx context.Context, channel string, sink hub.Sink) (hub.Position, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	live, leave, err := b.gate.pass(ctx)
	if err != nil {
		return hub.Position{}, fmt.Errorf("nats: %w", err)
	}
	defer leave()
	f, err := b.feeds.add(channel, sink)
	if err != nil {
		return hub.Position{}, fmt.Errorf("nats: subscribe: %w", err)
	}
	// On the same connection, so behind the subscription wherever it is heard.
	pos, err := b.place(live, b.live, b.stream.now.Load(), f.token)
	if err != nil {
		b.feeds.remove(f)
		return hub.Position{}, fmt.Errorf("nats: subscribe: %w", err)
	}
	b.stream.see(pos.Epoch, pos.Offset)
	f.begin(pos)
	return pos, nil
}

// Unsubscribe ends that. Its error is always nil.
func (b *Broker) Unsubscribe(_ context.Context, channel string) error {
	b.feeds.mu.Lock()
	f := b.feeds.byToken[tokenOf(channel)]
	b.feeds.mu.Unlock()
	if f != nil {
		b.feeds.remove(f)
	}
	return nil
}

// add returns the feed of a channel, with that sink.
func (l *feeds) add(channel string, sink hub.Sink) (*feed, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	token := tokenOf(channel)
	f := l.byToken[token]
	if f == nil {
		f = &feed{channel: strings.Clone(channel), token: token}
		sub, err := l.b.live.ChanSubscribe(l.b.names.live(token), l.messages)
		if err != nil {
			return nil, err
		}
		f.sub = sub
		l.byToken[token] = f
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sink = sink
	return f, nil
}

// remove forgets a feed, whose sink is not called any more.
func (l *feeds) remove(f *feed) {
	l.mu.Lock()
	if l.byToken[f.token] == f {
		delete(l.byToken, f.token)
	}
	l.mu.Unlock()
	_ = f.sub.Unsubscribe() // of a connection that is closed there is nothing to undo
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sink = nil
}

// list returns the feeds that there are.
func (l *feeds) list() []*feed {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Collect(maps.Values(l.byToken))
}
