package cluster

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/seed-15847954/ropewalk/cluster/clusterpb"
)

const (
	// partSize is how much of a body is in a message of the bus, in bytes: room is left for what
	// stands around it.
	partSize = MaxMessage - 4<<10

	// maxBody bounds a body, and maxPartial the bodies of one node of which parts are missing.
	maxBody    = 64 << 20
	maxPartial = 16
)

// say hands body to all nodes. Without an error the broker has taken it.
func (c *Cluster) say(ctx context.Context, body *clusterpb.Body) error {
	b, err := proto.Marshal(body)
	if err != nil {
		return err
	}
	if len(b) > maxBody {
		return fmt.Errorf("cluster: a message of %d bytes, the limit is %d", len(b), maxBody)
	}
	e := &clusterpb.Envelope{Node: c.config.Node, Number: c.numbers.Add(1), Parts: uint32(max(1, (len(b)+partSize-1)/partSize))}
	for {
		e.Body = b[:min(len(b), partSize)]
		b = b[len(e.Body):]
		message, err := proto.Marshal(e)
		if err == nil {
			err = c.config.Bus.Broadcast(ctx, message)
		}
		if err != nil {
			return err
		}
		if e.Part++; e.Part == e.Parts {
			return nil
		}
	}
}

// A partial is a body of which parts are missing.
type partial struct {
	next uint32
	body []byte
}

// take returns the whole body where e completes it, and nil where parts are missing.
func (p *peer) take(e *clusterpb.Envelope) []byte {
	if e.Parts == 1 && e.Part == 0 {
		return e.Body
	}
	part := p.partial[e.Number]
	if e.Part == 0 {
		if p.partial == nil || len(p.partial) >= maxPartial {
			p.partial = make(map[uint64]*partial) // what was begun is lost
		}
		part = &partial{}
		p.partial[e.Number] = part
	}
	if part == nil {
		return nil
	}
	if e.Part != part.next || e.Part >= e.Parts || len(part.body)+len(e.Body) > maxBody {
		delete(p.partial, e.Number)
		return nil
	}
	part.body = append(part.body, e.Body...)
	if part.next++; part.next < e.Parts {
		return nil
	}
	delete(p.partial, e.Number)
	return part.body
}

// hear takes a message of the bus. What is no message of a node, or of a kind that it does not
// know, it passes over.
func (c *Cluster) hear(message []byte) {
	var e clusterpb.Envelope
	if err := proto.Unmarshal(message, &e); err != nil || e.Node == "" {
		c.hearGarbage()
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.peers[e.Node]
	if p == nil { // which a beat makes one
		p = &peer{name: e.Node}
	}
	whole := p.take(&e)
	if whole == nil {
		return
	}
	var body clusterpb.Body
	if err := proto.Unmarshal(whole, &body); err != nil {
		return
	}
	if e.Node == c.config.Node {
		c.hearSelf(&body)
		return
	}
	c.hearPeer(p, &body)
}

func (c *Cluster) hearGarbage() {
	c.mu.Lock()
	first := !c.garbage
	c.garbage = true
	c.mu.Unlock()
	if first {
		c.config.Log.Warn("somebody else speaks where the nodes do")
	}
}

// hearSelf notes that the bus works.
func (c *Cluster) hearSelf(body *clusterpb.Body) {
	if body.GetBeat() != nil {
		c.echoes++
		c.echoed = time.Now()
	}
}

// hearPeer does what another node says. The lock is held.
func (c *Cluster) hearPeer(p *peer, body *clusterpb.Body) {
	p.heard, p.echoes = time.Now(), c.echoes
	known := c.peers[p.name] == p
	switch kind := body.Kind.(type) {
	case *clusterpb.Body_Beat:
		c.hearBeat(p, kind.Beat)
	case *clusterpb.Body_Bye:
		if known {
			c.forget(p)
		}
	case *clusterpb.Body_Changes:
		if known {
			c.presence.follow(&p.copy, kind.Changes)
		}
	case *clusterpb.Body_Snapshot:
		if known {
			c.presence.replace(&p.copy, kind.Snapshot)
		}
	case *clusterpb.Body_Want:
		if kind.Want.Node == c.config.Node {
			c.presence.wanted()
			c.awake()
		}
	case *clusterpb.Body_Ask:
		c.answer(p.name, kind.Ask)
	case *clusterpb.Body_Answer:
		if q := c.asked[kind.Answer.Id]; q != nil && kind.Answer.Node == c.config.Node {
			q.answered(p.name, kind.Answer)
		}
	}
	if known && !p.copy.whole {
		c.awake() // to want
	}
}

func (c *Cluster) hearBeat(p *peer, beat *clusterpb.Beat) {
	if c.peers[p.name] == nil {
		c.peers[p.name] = p
		c.config.Log.Info("a node is there", "node", p.name, "version", beat.Version)
	}
	p.version, p.address, p.token = beat.Version, beat.Address, beat.Token
	p.copy.check(beat.Changes)
	if beat.Greeting {
		c.greeted = true
		c.awake()
	}
	if !p.copy.whole {
		c.awake()
	}
}

// want asks nodes for what was missed of their presence.
func (c *Cluster) want() {
	var nodes []string
	c.mu.Lock()
	for _, p := range c.peers {
		if !p.copy.whole && time.Since(p.wanted) >= beatTime/2 {
			p.wanted = time.Now()
			nodes = append(nodes, p.name)
		}
	}
	c.mu.Unlock()
	for _, node := range nodes {
		c.tell(&clusterpb.Body{Kind: &clusterpb.Body_Want{Want: &clusterpb.Want{Node: node}}})
	}
}
