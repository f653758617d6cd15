package redis

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redis/rueidis"

	"github.com/seed-15847954/ropewalk/hub"
)

// errAway is why a subscription has failed that never got a connection.
var errAway = errors.New("redis: no connection for subscriptions")

// links are the connections over which the subscriptions of this node come: one for each master.
type links struct {
	b       *Broker
	ctx     context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup // the goroutines of links, and commands that somebody may not wait for any more
	kicked  chan struct{}  // holds one while somebody wants the routes to be looked at

	mu      sync.Mutex
	feeds   map[string]*feed // by name
	hear    func([]byte)     // what is said on the bus; nil: nobody listens
	routes  [places]string   // the address of the master of each
	servers map[string]*link // by address
	changed chan struct{}    // closed when a link has got a connection, or another place
}

func (l *links) init(b *Broker) {
	l.b, l.feeds, l.servers = b, make(map[string]*feed), make(map[string]*link)
	l.changed, l.kicked = make(chan struct{}), make(chan struct{}, 1)
	l.ctx, l.cancel = context.WithCancel(context.Background())
	if b.client.Mode() == rueidis.ClientModeCluster {
		l.running.Go(l.watch)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open("")
}

func (l *links) close() {
	l.cancel()
	l.running.Wait()
}

// open begins a link. mu is held.
func (l *links) open(addr string) {
	k := &link{l: l, addr: addr}
	k.ctx, k.cancel = context.WithCancel(l.ctx)
	l.servers[addr] = k
	l.running.Go(k.run)
}

// signal wakes those who wait for a connection. mu is held.
func (l *links) signal() {
	close(l.changed)
	l.changed = make(chan struct{})
}

// wait returns the connection to the master of a place, once there is one.
func (l *links) wait(ctx context.Context, p partition) (rueidis.DedicatedClient, error) {
	for {
		l.mu.Lock()
		conn, changed := l.connOf(p), l.changed
		l.mu.Unlock()
		if conn != nil {
			return conn, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", errAway, context.Cause(ctx))
		}
	}
}

// connOf returns the present connection to the master of a place, or nil. mu is held.
func (l *links) connOf(p partition) rueidis.DedicatedClient {
	if k := l.servers[l.routes[p]]; k != nil {
		return k.conn
	}
	return nil
}

// feedsAt returns the feeds and the places of a server. mu is held.
func (l *links) feedsAt(addr string) ([]*feed, map[partition]bool) {
	own := make(map[partition]bool)
	for p, at := range l.routes {
		if at == addr {
			own[partition(p)] = true
		}
	}
	var feeds []*feed
	for _, f := range l.feeds {
		if own[f.place] {
			feeds = append(feeds, f)
		}
	}
	return feeds, own
}

// servedBy notes that another process serves a partition. A connection for subscriptions to one that does
// not is made again.
func (l *links) servedBy(p partition, process string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if k := l.servers[l.routes[p]]; k != nil && k.process != process {
		k.cut(errMoved)
		l.kick()
	}
}

// noted takes what a server says of a subscription. One that ends without a wish of this node
// has gone with its slot to another server.
func (l *links) noted(s rueidis.PubSubSubscription) {
	if s.Kind != "sunsubscribe" {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.feeds[s.Channel] != nil || s.Channel == l.b.busChannel() || l.b.isEverything(s.Channel) && l.b.patterns.hearing() {
		l.kick()
	}
}

// ask subscribes to channels and returns when that is confirmed.
func (l *links) ask(ctx context.Context, conn rueidis.DedicatedClient, names []string) error {
	done := make(chan error, 1)
	l.running.Go(func() { done <- conn.Do(l.ctx, conn.B().Ssubscribe().Channel(names...).Build()).Error() })
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Subscribe hands a channel's publications to sink.
func (b *Broker) Subscribe(ctx context.Context, channel string, sink hub.Sink) (hub.Position, error) {
	p := partitionOf(channel)
	pos, err := b.subscribe(ctx, p, channel, sink)
	for ctx.Err() == nil && isMoved(err) { // the link finds out where to
		select {
		case <-time.After(againTime):
		case <-ctx.Done():
		}
		pos, err = b.subscribe(ctx, p, channel, sink)
	}
	return pos, err
}

// againTime is between one attempt to reach a partition that has moved and the next.
const againTime = 100 * time.Millisecond

// isMoved reports whether an error says that a partition is at another server now.
func isMoved(err error) bool {
	r, ok := rueidis.IsRedisErr(err)
	if !ok {
		return errors.Is(err, errMoved)
	}
	_, moved := r.IsMoved()
	return moved || r.IsClusterDown()
}

func (b *Broker) subscribe(ctx context.Context, p partition, channel string, sink hub.Sink) (hub.Position, error) {
	f, conn, err := b.links.add(ctx, p, channel, sink)
	if err != nil {
		return hub.Position{}, err
	}
	if err := b.links.ask(ctx, conn, []string{f.name}); err != nil {
		b.links.remove(f)
		b.links.kick()
		return hub.Position{}, fmt.Errorf("redis: subscribe: %w", err)
	}
	a, err := b.call(ctx, p, "rw1_place", []string{b.partitionKey(p), b.key(p, kindLast, channel), b.key(p, kindStream, channel)}, b.fresh(), millis(b.config.StateTime))
	var pos hub.Position
	if err == nil {
		pos, err = a.position()
	}
	if err == nil {
		pos, err = b.links.begin(f, pos, conn, a.process)
	}
	if err != nil {
		b.links.remove(f)
		return hub.Position{}, err
	}
	return pos, nil
}

// Unsubscribe ends that.
func (b *Broker) Unsubscribe(ctx context.Context, channel string) error {
	p := partitionOf(channel)
	name := b.key(p, kindLast, channel)
	b.links.mu.Lock()
	f, conn := b.links.feeds[name], b.links.connOf(p)
	b.links.mu.Unlock()
	if f == nil {
		return nil
	}
	b.links.remove(f)
	if conn == nil {
		return nil
	}
	err := conn.Do(ctx, conn.B().Sunsubscribe().Channel(name).Build()).Error()
	if isMoved(err) {
		return nil // with all subscriptions
	}
	return err
}

// add returns the feed of a channel, with that sink, and a connection.
func (l *links) add(ctx context.Context, p partition, channel string, sink hub.Sink) (*feed, rueidis.DedicatedClient, error) {
	conn, err := l.wait(ctx, p)
	if err != nil {
		return nil, nil, err
	}
	name := l.b.key(p, kindLast, channel)
	l.mu.Lock()
	f := l.feeds[name]
	if f == nil {
		f = &feed{channel: channel, place: p, name: name}
		l.feeds[name] = f
	}
	l.mu.Unlock()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sink = sink
	return f, conn, nil
}

// begin says where a feed begins, if it comes over a connection still, and from a process. What takes the
// connection's place goes on from there.
func (l *links) begin(f *feed, pos hub.Position, conn rueidis.DedicatedClient, process string) (hub.Position, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := l.servers[l.routes[f.place]]
	if l.feeds[f.name] != f || k == nil || k.conn != conn || k.process != process {
		return pos, fmt.Errorf("redis: subscribe: %w", errMoved)
	}
	return f.begin(pos)
}

// remove forgets a feed, whose sink is not called any more.
func (l *links) remove(f *feed) {
	l.mu.Lock()
	if l.feeds[f.name] == f {
		delete(l.feeds, f.name)
	}
	l.mu.Unlock()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sink = nil
}

// message takes what comes in a pub/sub channel.
func (l *links) message(m rueidis.PubSubMessage) {
	switch m.Channel {
	case l.b.nodesChannel():
		l.b.nodes.hear(m.Message)
		return
	case l.b.busChannel():
		l.hearBus([]byte(m.Message))
		return
	}
	l.mu.Lock()
	f := l.feeds[m.Channel]
	l.mu.Unlock()
	var err error
	if f == nil {
		err = l.b.hearStranger(m)
	} else {
		err = l.b.hear(f, m.Message)
	}
	if err != nil {
		l.b.config.Log.Warn("redis: a message is not taken", "pubsub", m.Channel, "error", err)
	}
}
