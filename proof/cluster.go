package proof

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/seed-15847954/ropewalk/proof/node"
	"github.com/seed-15847954/ropewalk/proof/proxy"
	"github.com/seed-15847954/ropewalk/proof/service"
)

// A Broker is what the nodes of a cluster share. Its methods are called by one goroutine at a
// time.
type Broker interface {
	// Addr is where it listens, as host:port, through all of its lives.
	Addr() string

	// URL is what a node is told that reaches the broker at addr.
	URL(addr string) string

	// Kill ends the broker without warning, and Start starts it again with what it has on
	// its disk.
	Kill(ctx context.Context) error
	Start(ctx context.Context) error

	// Pause stops it where it is, and Resume lets it go on.
	Pause(ctx context.Context) error
	Resume() error

	// Close ends it for good.
	Close() error
}

// A Rewinder is a Broker that can be put back to what it was.
type Rewinder interface {
	// Save copies what the broker has on its disk, and Rewind kills the broker, puts the copy in
	// its place and starts it again.
	Save(ctx context.Context) error
	Rewind(ctx context.Context) error
}

// A Filler is a Broker whose disk can be full.
type Filler interface {
	// Shrink moves the broker to a small disk. Fill leaves no room there, and Free makes some and
	// sees to it that the broker goes on.
	Shrink(ctx context.Context) error
	Fill() error
	Free(ctx context.Context) error
}

// A Promoter is a Broker with replicas: what is done to it is done to one of its masters.
type Promoter interface {
	// Promoted returns when a replica has taken the place of that master.
	Promoted(ctx context.Context) error
}

// A Doored is a Broker that tells whoever connects where to connect. Each node comes in by a door of its
// own, and is told that address alone.
type Doored interface {
	// Door returns where the node of that number is to find the broker, and where that is to
	// be carried.
	Door(node int) (addr, target string)
}

// Nodes is how many a cluster has.
const Nodes = 3

// A cluster is a Server of several nodes on one broker, behind a balancer which knows nothing
// of sessions.
type cluster struct {
	broker Broker // nil: it is in the nodes
	folder string // of the nodes, if the broker is in them
	nodes  []*clusterNode
	front  *proxy.Proxy
	net    *network // nil: all are on the loopback address
	turn   int

	program string // of nodes that are upgraded
}

// A clusterNode is one node with its way to the broker.
type clusterNode struct {
	*node.Node
	link *proxy.Proxy // nil if the broker is in the node
}

// again has who cannot resume its session, which is on another node, not be present twice for long.
var again = []string{"--resume-time", "2s"}

// Cluster returns a Starter of clusters of the server's program, each with a broker of its own.
func Cluster(path string, broker func(ctx context.Context) (Broker, error)) Starter {
	return func(ctx context.Context, s Settings) (Server, error) {
		b, err := broker(ctx)
		if err != nil {
			return nil, err
		}
		c := &cluster{broker: b, program: path}
		if err := c.start(ctx, s); err != nil {
			return nil, errors.Join(err, c.Close())
		}
		return c, nil
	}
}

func (c *cluster) start(ctx context.Context, s Settings) error {
	if err := c.connect(s); err != nil {
		return err
	}
	var addrs []string
	for i := range Nodes {
		link, err := c.link(i)
		if err != nil {
			return err
		}
		flags := append(s.flags(), "--broker", c.broker.URL(link.Addr()))
		n, err := c.startNode(ctx, i, s.Older, append(flags, again...))
		if err != nil {
			link.Close()
			return err
		}
		c.nodes = append(c.nodes, &clusterNode{n, link})
		addrs = append(addrs, n.Addr())
	}
	var err error
	c.front, err = proxy.New(addrs...)
	return err
}

// connect makes the network, if there is to be one.
func (c *cluster) connect(s Settings) (err error) {
	if s.Hosts {
		c.net, err = newNetwork(Nodes)
	}
	return err
}

// hostPort is where nodes listen that have an address of their own.
const hostPort = ":8000"

// startNode starts a node where it is to be, of an older version if there is one.
func (c *cluster) startNode(ctx context.Context, i int, older string, flags []string) (*node.Node, error) {
	path := cmp.Or(older, c.program)
	if c.net == nil {
		return node.Start(ctx, path, flags...)
	}
	return node.StartAt(ctx, c.net.host(i)+hostPort, c.net.inside(i), path, append(flags, "--insecure-public")...)
}

// link returns a way to the broker.
func (c *cluster) link(node int) (*proxy.Proxy, error) {
	if c.net != nil {
		return proxy.NewAt(c.net.brokers()+":0", c.broker.Addr())
	}
	if d, ok := c.broker.(Doored); ok {
		addr, target := d.Door(node)
		return proxy.NewAt(addr, target)
	}
	return proxy.New(c.broker.Addr())
}

// Embedded returns a Starter of clusters of the server's program whose broker is in the nodes.
func Embedded(path string) Starter {
	return func(ctx context.Context, s Settings) (Server, error) {
		folder, err := os.MkdirTemp("", "nodes-")
		if err != nil {
			return nil, err
		}
		c := &cluster{folder: folder, program: path}
		if err := c.startEmbedded(ctx, s); err != nil {
			return nil, errors.Join(err, c.Close())
		}
		return c, nil
	}
}

// startEmbedded starts the nodes at once: each waits for most of them.
func (c *cluster) startEmbedded(ctx context.Context, s Settings) error {
	if err := c.connect(s); err != nil {
		return err
	}
	var members []string
	for i := range Nodes {
		if c.net != nil {
			members = append(members, c.net.host(i)+":6222")
			continue
		}
		addr, err := service.FreeAddr()
		if err != nil {
			return err
		}
		members = append(members, addr)
	}
	var all sync.WaitGroup
	started, failed := make([]*node.Node, Nodes), make([]error, Nodes)
	for i, member := range members {
		all.Go(func() {
			flags := append(s.flags(), "--cluster", strings.Join(members, ","), "--cluster-listen", member,
				"--cluster-secret", "of the proof", "--data", filepath.Join(c.folder, strconv.Itoa(i)))
			started[i], failed[i] = c.startNode(ctx, i, s.Older, append(flags, again...))
		})
	}
	all.Wait()
	var addrs []string
	for _, n := range started {
		if n != nil {
			c.nodes = append(c.nodes, &clusterNode{Node: n})
			addrs = append(addrs, n.Addr())
		}
	}
	if err := errors.Join(failed...); err != nil {
		return err
	}
	var err error
	c.front, err = proxy.New(addrs...)
	return err
}

// Output returns what the nodes have printed last.
func (c *cluster) Output() string {
	var all strings.Builder
	for i, n := range c.nodes {
		fmt.Fprintf(&all, "node %d:\n%s\n", i, n.Output())
	}
	return all.String()
}

// Addr is that of the balancer.
func (c *cluster) Addr() string { return c.front.Addr() }

// next returns the node whose turn it is.
func (c *cluster) next() *clusterNode {
	n := c.nodes[c.turn]
	c.turn = (c.turn + 1) % len(c.nodes)
	return n
}

// Drain ends one node in order, and starts it again; each time another one.
func (c *cluster) Drain(ctx context.Context) error { return c.next().Drain(ctx) }

// Kill ends one node without warning, and starts it again.
func (c *cluster) Kill(ctx context.Context) error { return c.next().Kill(ctx) }

// Close ends everything.
func (c *cluster) Close() error {
	if c.front != nil {
		c.front.Close()
	}
	var all []error
	for i, n := range c.nodes {
		if err := n.Close(); err != nil {
			all = append(all, fmt.Errorf("node %d: %w", i, err))
		}
		if n.link != nil {
			n.link.Close()
		}
	}
	if c.broker != nil {
		all = append(all, c.broker.Close())
	}
	if c.net != nil {
		all = append(all, c.net.close())
	}
	if c.folder != "" {
		all = append(all, os.RemoveAll(c.folder))
	}
	return errors.Join(all...)
}
