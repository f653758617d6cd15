package brokertest

import (
	"context"
	"sync"
	"testing"

	"github.com/seed-15847954/ropewalk/broker/memory"
	"github.com/seed-15847954/ropewalk/hub"
)

// A network is a broker on the far side of a wire: nodes share one broker/memory and
// are told later, each by a goroutine of its own.
type network struct {
	far   *memory.Broker
	fault fault

	mu    sync.Mutex
	nodes []*node
}

func newNetwork(f fault) *network { return &network{far: memory.New(memory.Config{}), fault: f} }

// A node is one side of the wire.
type node struct {
	*memory.Broker
	net   *network
	first bool

	mu    sync.Mutex
	sinks map[string]*feed
	queue []delivery
	wake  chan struct{}
	stop  context.CancelFunc
	done  chan struct{}
}

// A feed hands over what is due to one sink. Its lock is held around calls of the sink.
type feed struct {
	mu    sync.Mutex
	sink  hub.Sink
	count int
	late  *hub.Publication
}

type delivery struct {
	channel     string
	publication *hub.Publication
	change      *hub.PresenceChange
}

func (n *network) open(t testing.TB) hub.Broker {
	ctx, cancel := context.WithCancel(context.Background())
	one := &node{Broker: n.far, net: n, sinks: make(map[string]*feed), wake: make(chan struct{}, 1), stop: cancel, done: make(chan struct{})}
	n.mu.Lock()
	one.first = len(n.nodes) == 0
	n.nodes = append(n.nodes, one)
	n.mu.Unlock()
	go one.pump(ctx)
	t.Cleanup(func() {
		one.stop()
		<-one.done
	})
	return one
}

// A trunk is the sink of one channel on the far side.
type trunk struct {
	net     *network
	channel string
}

func (t trunk) Deliver(p *hub.Publication) { t.net.send(delivery{t.channel, p, nil}) }

func (trunk) Moved(hub.Position) {} // what is on the far side has one life

func (t trunk) Change(c *hub.PresenceChange) { t.net.send(delivery{t.channel, nil, c}) }

func (n *network) send(d delivery) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, one := range n.nodes {
		one.mu.Lock()
		one.queue = append(one.queue, d)
		one.mu.Unlock()
		select {
		case one.wake <- struct{}{}:
		default:
		}
	}
}

func (o *node) pump(ctx context.Context) {
	defer close(o.done)
	for {
		select {
		case <-ctx.Done():
			return
		case <-o.wake:
		}
		o.mu.Lock()
		due := o.queue
		o.queue = nil
		o.mu.Unlock()
		for _, d := range due {
			o.mu.Lock()
			f := o.sinks[d.channel]
			o.mu.Unlock()
			if f != nil {
				f.take(o, d)
			}
		}
	}
}

func (f *feed) take(o *node, d delivery) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.sink == nil {
		return
	}
	if d.change != nil {
		f.sink.Change(d.change)
		return
	}
	f.count++
	o.net.fault.deliver(o, f, d.publication)
}

func (o *node) Subscribe(ctx context.Context, channel string, sink hub.Sink) (hub.Position, error) {
	f := &feed{sink: sink}
	o.mu.Lock()
	if old := o.sinks[channel]; old != nil && o.net.fault == clings {
		f.sink = both{old.sink, sink}
	}
	o.sinks[channel] = f
	o.mu.Unlock()
	pos, err := o.net.far.Subscribe(ctx, channel, trunk{o.net, channel})
	return o.net.fault.joined(pos), err
}

func (o *node) Unsubscribe(_ context.Context, channel string) error {
	if o.net.fault == clings {
		return nil
	}
	o.mu.Lock()
	f := o.sinks[channel]
	delete(o.sinks, channel)
	o.mu.Unlock()
	if f != nil {
		f.mu.Lock()
		f.sink = nil
		f.mu.Unlock()
	}
	return nil
}
