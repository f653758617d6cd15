package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	// peerTime is how long a node is remembered that says nothing.
	peerTime = 10 * time.Second

	// censusTime is how long the others are waited for when the server was restarted.
	censusTime = 3 * time.Second

	// maxPeers bounds the nodes that are remembered: anybody may say that he is one.
	maxPeers = 1000

	// metaProcess is the id of the server process that the life was last found whole on.
	metaProcess = "ropewalk-process"
)

// peers are the other nodes, by what they say themselves: nothing that the servers keep could
// tell that the servers have lost something.
type peers struct {
	mu   sync.Mutex
	all  map[string]peer
	news chan struct{} // holds one while somebody has said something
}

// A peer is what one other node says.
type peer struct {
	epoch string
	seen  uint64
	at    time.Time
	cuts  uint64 // of this node's connections, when it was heard
}

// A beat is what nodes say to one another.
type beat struct {
	Node  string `json:"node"`
	Epoch string `json:"epoch,omitempty"`
	Seen  uint64 `json:"seen,omitempty"`
	Bye   bool   `json:"bye,omitempty"`
	Call  bool   `json:"call,omitempty"` // the others are asked to say something at once
}

func (p *peers) init() { p.all, p.news = make(map[string]peer), make(chan struct{}, 1) }

func (p *peers) hear(b *Broker, message []byte) {
	var said beat
	if json.Unmarshal(message, &said) != nil || said.Node == "" || said.Node == b.node {
		return
	}
	if said.Call {
		b.say(beat{Node: b.node, Epoch: b.epoch(), Seen: b.stream.seen.Load()})
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	_, known := p.all[said.Node]
	switch {
	case said.Bye:
		delete(p.all, said.Node)
	case known || len(p.all) < maxPeers:
		p.all[said.Node] = peer{said.Epoch, said.Seen, time.Now(), b.gate.cuts()}
	}
	select {
	case p.news <- struct{}{}:
	default:
	}
}

// forget lets go of nodes that have said nothing for long.
func (p *peers) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for name, one := range p.all {
		if time.Since(one.at) > peerTime {
			delete(p.all, name)
		}
	}
}

// seen returns the highest sequence that any of them was told of in an epoch.
func (p *peers) seen(epoch string) (highest uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, one := range p.all {
		if one.epoch == epoch {
			highest = max(highest, one.seen)
		}
	}
	return highest
}

// poll returns how many have not been heard since the last cut, and how many have that knew the epoch.
func (p *peers) poll(cuts uint64, epoch string) (silent, witnesses int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, one := range p.all {
		switch {
		case one.cuts != cuts:
			silent++
		case one.epoch == epoch:
			witnesses++
		}
	}
	return silent, witnesses
}

func (b *Broker) epoch() string {
	if now := b.stream.now.Load(); now != nil {
		return now.epoch
	}
	return ""
}

// seen returns the highest sequence that any node was told of in this life.
func (b *Broker) seen() uint64 { return max(b.stream.seen.Load(), b.peers.seen(b.epoch())) }

func (b *Broker) say(what beat) {
	if text, err := json.Marshal(what); err == nil {
		_ = b.live.Publish(b.names.nodes(), text) // said again with the next beat
	}
}

// beat tells the others what this node has seen.
func (b *Broker) beat(context.Context) {
	if b.gate.isUp() {
		b.peers.forget()
	}
	b.say(beat{Node: b.node, Epoch: b.epoch(), Seen: b.stream.seen.Load()})
}

func (b *Broker) sayGoodbye() {
	b.say(beat{Node: b.node, Bye: true})
	_ = b.flush(context.Background())
}

// settle finds out whether the stream is what it was, and gives it another epoch if that is not known.
func (b *Broker) settle(ctx context.Context) error {
	if !b.calls.IsConnected() || !b.live.IsConnected() {
		return errAway
	}
	// A connection is said to be there before the server has its subscriptions again.
	if err := b.live.FlushWithContext(ctx); err != nil {
		return fmt.Errorf("%w: %w", errAway, err)
	}
	info, err := b.ask(ctx)
	complete := true
	if process := b.process(); err == nil && process != "" && info.Config.Metadata[metaProcess] != process {
		complete = b.census(ctx)
	}
	seen := b.seen()
	if err == nil { // again: what was seen was there before
		info, err = b.ask(ctx)
	}
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		if err := b.stream.create(ctx, b); err != nil {
			return err
		}
		info, err = b.ask(ctx)
	}
	if err != nil {
		return err
	}
	fresh := b.stream.now.Load() == nil || b.stream.adopt(info)
	if err := b.stream.check(info, b); err != nil {
		return err
	}
	why, err := b.suspect(ctx, info, seen, complete)
	if err != nil {
		return err
	}
	if why != "" && !fresh {
		if err := b.stream.rotate(ctx, b, why); err != nil {
			return err
		}
	}
	b.witness = true
	return b.vouch(ctx)
}

// suspect returns why the stream may not be the whole one that it was; empty means that it is.
func (b *Broker) suspect(ctx context.Context, info *jetstream.StreamInfo, seen uint64, complete bool) (string, error) {
	if why, err := b.lost(ctx, info, seen); why != "" || err != nil {
		return why, err
	}
	b.stream.markMu.Lock()
	mark := b.stream.mark
	b.stream.markMu.Unlock()
	if mark.seq > 0 {
		e, err := b.at(ctx, mark.seq)
		if err != nil {
			return "", err
		}
		if e != nil && !e.time.Equal(mark.time) {
			return fmt.Sprintf("%d is another message", mark.seq), nil
		}
	}
	if !complete {
		return "its server was restarted, and who had seen it does not answer", nil
	}
	return "", nil
}

// process returns the id of the one server's process, or nothing where several servers have copies: of those
// one that was restarted takes from the others what it lacks.
func (b *Broker) process() string {
	if b.config.inside != nil || b.live.ConnectedClusterName() != "" {
		return ""
	}
	return b.live.ConnectedServerId()
}

// vouch writes down on which process the stream was found whole.
func (b *Broker) vouch(ctx context.Context) error {
	process := b.process()
	if process == "" {
		return nil
	}
	info, err := b.ask(ctx)
	if err != nil || info.Config.Metadata[metaProcess] == process {
		return err
	}
	return b.stream.change(ctx, b, func(c *jetstream.StreamConfig, _ uint64) { c.Metadata[metaProcess] = process })
}

// census waits until every other node that is known has been heard on the present connections, and reports
// whether that is so. A node that knows nothing itself waits for one that does.
func (b *Broker) census(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, censusTime)
	defer cancel()
	b.say(beat{Node: b.node, Epoch: b.epoch(), Seen: b.stream.seen.Load(), Call: true})
	for {
		if silent, witnesses := b.peers.poll(b.gate.cuts(), b.epoch()); silent == 0 && (b.witness || witnesses > 0) {
			return true
		}
		select {
		case <-b.peers.news:
		case <-ctx.Done():
			return false
		}
	}
}
