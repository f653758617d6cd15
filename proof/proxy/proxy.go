// Package proxy carries TCP connections to a server and breaks them on purpose.
package proxy

import (
	"context"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
)

// A Proxy listens on a port of its own and carries each connection to one of its targets,
// in turn. All methods may be called at once.
type Proxy struct {
	// Constant after New.
	targets  []string
	listener net.Listener
	group    sync.WaitGroup // all goroutines
	up, down gate

	mu     sync.Mutex
	turn   int     // the target that is next
	pairs  []*pair // in the order in which they were opened
	closed bool
}

// New returns a proxy for targets, host:port, which need not listen yet. A connection that one
// does not take goes to the next one.
func New(targets ...string) (*Proxy, error) { return NewAt("127.0.0.1:0", targets...) }

// NewAt is New for a proxy that listens at addr.
func NewAt(addr string, targets ...string) (*Proxy, error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	p := &Proxy{targets: targets, listener: ln}
	p.group.Go(p.accept)
	return p, nil
}

// Addr returns the address that it listens on.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Close cuts every connection, and returns when nothing of the proxy is left.
func (p *Proxy) Close() {
	_ = p.listener.Close()
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.Resume()
	for _, pair := range p.open() {
		pair.cut()
	}
	p.group.Wait()
}

// Break breaks n of the connections, each in a way that rng decides, or as many as there are:
// at once, or in the middle of what goes up or down next. It does not wait for that, and returns
// how many they are.
func (p *Proxy) Break(rng *rand.Rand, n int) int {
	open := p.open()
	rng.Shuffle(len(open), func(i, j int) { open[i], open[j] = open[j], open[i] })
	open = open[:min(n, len(open))]
	for _, pair := range open {
		pair.damage(Way(rng.IntN(int(ways))), rng.IntN(maxMore))
	}
	return len(open)
}

// Stop has nothing come through any more towards the targets, towards the clients, or both. New
// connections are not carried, like over a network that is parted; nothing is lost unless somebody
// gives up.
func (p *Proxy) Stop(up, down bool) {
	if up {
		p.up.shut()
	}
	if down {
		p.down.shut()
	}
}

// Resume ends that: what has waited comes through.
func (p *Proxy) Resume() {
	p.up.open()
	p.down.open()
}

// Heal ends the connections that are to be broken and are not yet, since nothing went through
// them. From then on all is well until the next Break.
func (p *Proxy) Heal() {
	for _, pair := range p.open() {
		if pair.broken.Load() {
			pair.cut()
		}
	}
}

func (p *Proxy) open() []*pair {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.pairs)
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return // closed
		}
		p.group.Go(func() { p.carry(client) })
	}
}

// carry carries one connection until it ends.
func (p *Proxy) carry(client net.Conn) {
	p.up.pass()
	p.down.pass()
	server, err := p.dial()
	if err != nil {
		reset(client) // as the target would have it
		return
	}
	pair := newPair(client, server, &p.up, &p.down)
	if !p.add(pair) {
		pair.cut()
		return
	}
	pair.run()
	p.remove(pair)
}

// dial connects to the target whose turn it is, or to the next one that takes it.
func (p *Proxy) dial() (conn net.Conn, err error) {
	p.mu.Lock()
	first := p.turn
	p.turn = (first + 1) % len(p.targets)
	p.mu.Unlock()
	for i := range p.targets {
		var d net.Dialer
		conn, err = d.DialContext(context.Background(), "tcp", p.targets[(first+i)%len(p.targets)])
		if err == nil {
			break
		}
	}
	return conn, err
}

func (p *Proxy) add(pair *pair) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.closed {
		p.pairs = append(p.pairs, pair)
	}
	return !p.closed
}

func (p *Proxy) remove(gone *pair) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pairs = slices.DeleteFunc(p.pairs, func(pair *pair) bool { return pair == gone })
}
