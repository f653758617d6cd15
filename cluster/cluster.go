package cluster

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-15847954/ropewalk/cluster/clusterpb"
	"github.com/seed-15847954/ropewalk/hub"
)

const (
	// beatTime is how often a node says that it is there. One that is not heard for leaseTime is
	// gone, and its clients leave.
	beatTime  = 2 * time.Second
	leaseTime = 3 * beatTime

	// settleTime is how long behind its start a node may not have heard of all others.
	settleTime = beatTime + beatTime/2

	// sayTime bounds a call of the bus.
	sayTime = 2 * time.Second

	// restTime is how long what there is to say gathers, behind what was said last.
	restTime = 10 * time.Millisecond
)

// A Config says what a Cluster stands on.
type Config struct {
	// Node is the name of this node, which no other process ever has.
	Node string

	// Version is that of the program, for people.
	Version string

	// Bus reaches the other nodes. Nil means that there are none.
	Bus Bus

	// Changed is told of each join and leave that subscribers are to be told of, on this node
	// and others: one at a time for each channel. It does not block and does not call the Cluster.
	// Nil means nobody is.
	Changed func(channel string, c *hub.PresenceChange)

	// Answer is called for what another node asks. Its error goes there as text, and the reason of
	// a [Failure] as it is. Nil answers that nothing can be asked.
	Answer func(ctx context.Context, method string, request []byte) ([]byte, error)

	// Log takes what an operator may want to read. Nil means slog.Default.
	Log *slog.Logger
}

// A Cluster is what a node knows of the others, and the presence of clients on all of them. It is a
// [hub.PresenceKeeper]. All methods may be called at once by many goroutines.
type Cluster struct {
	// Constant after New.
	config Config
	token  string
	ctx    context.Context
	cancel context.CancelFunc
	wake   chan struct{} // holds one when run has something to say

	presence  presence
	began     time.Time      // constant after Start
	numbers   atomic.Uint64  // of Bodies
	questions atomic.Uint64  // ids of Asks
	running   sync.WaitGroup // run, and answers

	mu      sync.Mutex
	address string
	peers   map[string]*peer
	echoes  uint64    // beats of this node that have come back
	echoed  time.Time // when the last one did
	greeted bool      // another node is new and waits for a beat
	asked   map[uint64]*question
	garbage bool // something was heard that is no message
}

// A peer is another node. It is guarded by Cluster.mu.
type peer struct {
	name, version, address, token string

	heard   time.Time
	echoes  uint64 // Cluster.echoes at that time
	partial map[uint64]*partial
	copy    replica
	wanted  time.Time // when its Snapshot was asked for
}

// New returns a cluster that says and hears nothing until Start.
func New(config Config) *Cluster {
	if config.Log == nil {
		config.Log = slog.Default()
	}
	if config.Changed == nil {
		config.Changed = func(string, *hub.PresenceChange) {}
	}
	if config.Answer == nil {
		config.Answer = func(context.Context, string, []byte) ([]byte, error) { return nil, errMute }
	}
	c := &Cluster{
		config: config, token: rand.Text(), wake: make(chan struct{}, 1),
		peers: make(map[string]*peer), asked: make(map[uint64]*question), began: time.Now(),
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.presence.init(config.Changed)
	return c
}

// Start joins the others. address is where they reach this node's HTTP server, host:port; empty
// means nowhere. It returns when this node hears them, and is called once.
func (c *Cluster) Start(ctx context.Context, address string) error {
	if c.config.Bus == nil {
		return nil
	}
	c.mu.Lock()
	c.address, c.began, c.echoed = address, time.Now(), time.Now()
	c.mu.Unlock()
	if err := c.config.Bus.Listen(ctx, c.hear); err != nil {
		return fmt.Errorf("cluster: %w", err)
	}
	c.running.Go(c.run)
	return nil
}

// Close tells the others that this node ends, with all its members.
func (c *Cluster) Close() {
	c.cancel()
	c.running.Wait()
	if c.config.Bus == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), sayTime)
	defer cancel()
	if err := c.say(ctx, &clusterpb.Body{Kind: &clusterpb.Body_Bye{Bye: &clusterpb.Bye{}}}); err != nil {
		c.config.Log.Info("the other nodes do not hear the end of this one", "error", err)
	}
}

// A Node is one of a cluster.
type Node struct {
	Name, Version string

	// Address is where other nodes reach its HTTP server, and Token what they show there to be
	// taken for nodes. They are empty if it is not to be reached.
	Address, Token string
}

// Nodes returns all others in the order of their names.
func (c *Cluster) Nodes() []Node {
	c.mu.Lock()
	defer c.mu.Unlock()
	var nodes []Node
	for _, p := range c.peers {
		nodes = append(nodes, p.node())
	}
	slices.SortFunc(nodes, func(a, b Node) int { return strings.Compare(a.Name, b.Name) })
	return nodes
}

// Node returns another one by its name.
func (c *Cluster) Node(name string) (Node, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.peers[name]
	if p == nil {
		return Node{}, false
	}
	return p.node(), true
}

func (p *peer) node() Node { return Node{p.name, p.version, p.address, p.token} }

// Token is what other nodes show to this one.
func (c *Cluster) Token() string { return c.token }

// errMute is what a node answers that answers nothing.
var errMute = errors.New("this node cannot be asked")

// errDeaf is why the cluster does not work.
var errDeaf = errors.New("what this node says to all does not come back")

// Err reports why this node does not hear the others, nil if it does.
func (c *Cluster) Err() error {
	if c.config.Bus == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if silent := time.Since(c.echoed); silent > leaseTime {
		return fmt.Errorf("%w for %v", errDeaf, silent.Round(time.Second))
	}
	return nil
}

// run says what there is to say until Close.
func (c *Cluster) run() {
	beat := time.NewTicker(beatTime)
	defer beat.Stop()
	rest := time.NewTimer(0)
	defer rest.Stop()
	c.beat(true)
	for {
		select {
		case <-beat.C:
			c.expire()
			c.beat(false)
		case <-c.wake:
			if c.takeGreeting() {
				c.beat(false)
			}
		case <-c.ctx.Done():
			return
		}
		c.want()
		c.tellPresence()
		rest.Reset(restTime)
		select {
		case <-rest.C:
		case <-c.ctx.Done():
		}
	}
}

// awake has run look for something to say.
func (c *Cluster) awake() {
	select {
	case c.wake <- struct{}{}:
	default: // it will
	}
}

func (c *Cluster) takeGreeting() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	greeted := c.greeted
	c.greeted = false
	return greeted
}

func (c *Cluster) beat(greeting bool) {
	c.mu.Lock()
	address := c.address
	c.mu.Unlock()
	c.tell(&clusterpb.Body{Kind: &clusterpb.Body_Beat{Beat: &clusterpb.Beat{
		Changes: c.presence.changes(), Greeting: greeting, Version: c.config.Version, Address: address, Token: c.token,
	}}})
}

// tell is say for what is said again if it gets lost.
func (c *Cluster) tell(body *clusterpb.Body) {
	ctx, cancel := context.WithTimeout(c.ctx, sayTime)
	defer cancel()
	if err := c.say(ctx, body); err != nil && c.ctx.Err() == nil {
		c.config.Log.Debug("the other nodes do not hear this one", "error", err)
	}
}

// expire lets nodes go that are not heard any more. One that has not spoken while this node
// itself was not heard may be there.
func (c *Cluster) expire() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.peers {
		if time.Since(p.heard) > leaseTime && c.echoes >= p.echoes+uint64(leaseTime/beatTime) {
			c.config.Log.Warn("a node is gone", "node", p.name, "silent", time.Since(p.heard).Round(time.Second))
			c.forget(p)
		}
	}
}

// forget lets a node go. The lock is held.
func (c *Cluster) forget(p *peer) {
	delete(c.peers, p.name)
	c.presence.drop(&p.copy)
	for _, q := range c.asked {
		q.gone(p.name)
	}
}
