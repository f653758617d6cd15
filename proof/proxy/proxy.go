// Package proxy carries TCP connections to a server and breaks them on purpose.
package proxy

import (
	"context"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
)

// A Proxy listens on a port of its own and carries each connection to its target. All
// methods may be called at once.
type Proxy struct {
	// Constant after New.
	target   string
	listener net.Listener
	group    sync.WaitGroup // all goroutines

	mu     sync.Mutex
	pairs  []*pair // in the order in which they were opened
	closed bool
}

// New returns a proxy for a target, host:port, which need not listen yet.
func New(target string) (*Proxy, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{target: target, listener: ln}
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
	var d net.Dialer
	server, err := d.DialContext(context.Background(), "tcp", p.target)
	if err != nil {
		reset(client) // as the target would have it
		return
	}
	pair := newPair(client, server)
	if !p.add(pair) {
		pair.cut()
		return
	}
	pair.run()
	p.remove(pair)
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
