package nats

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

const (
	// insideUser is who the broker is to the server in its process.
	insideUser = "ropewalk"

	// clusterName and routeUser are the same on all nodes.
	clusterName = "ropewalk"
	routeUser   = "node"

	// maxPayload bounds a message with its headers, in bytes: 16 MiB of data and what is around it.
	maxPayload = 17 << 20

	// replicas is how many of the nodes have a copy of the logs.
	replicas = 3
)

// An EmbeddedConfig says how the server in this process runs.
type EmbeddedConfig struct {
	// Cluster are the addresses at which the nodes reach one another, host:port: those of all nodes, this
	// one's included, the same on each; 3 of them, or more if their number is odd. Empty means that this
	// node is alone.
	Cluster []string

	// Listen is this node's own, one of Cluster. Empty means the one whose host is this machine, if
	// there is just one.
	Listen string

	// Secret is what the nodes know one another by. It may be empty where all addresses are
	// loopback ones. It is sent as it is: what is between the nodes must be a network of your own.
	Secret string

	// Dir is the folder of the logs. It belongs to one node alone, and is never put back from a copy.
	Dir string

	// NoSync acknowledges messages before they are on the disk: a loss of power can lose the last 2 minutes
	// on each node.
	NoSync bool

	// StateTime is as in [Config].
	StateTime time.Duration

	// Log takes what an operator may want to read. Nil means slog.Default.
	Log *slog.Logger
}

// Check reports why the settings cannot be. It opens nothing.
func (c EmbeddedConfig) Check() error {
	if c.Dir == "" {
		return errors.New("the embedded broker needs a folder for the logs")
	}
	if len(c.Cluster) == 0 {
		return nil
	}
	if n := len(c.Cluster); n < 3 || n%2 == 0 {
		return fmt.Errorf("a cluster of %d nodes goes on without none of them, or gains nothing by one: allowed are 3, 5, 7", n)
	}
	loopback := true
	for i, addr := range c.Cluster {
		host, port, err := net.SplitHostPort(addr)
		if _, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil || host == "" || port == "0" {
			return fmt.Errorf("%q is no address of a node: host:port such as 10.0.0.1:6222", addr)
		}
		if slices.Contains(c.Cluster[:i], addr) {
			return fmt.Errorf("the cluster has %s twice", addr)
		}
		ip := net.ParseIP(host)
		loopback = loopback && (host == "localhost" || ip != nil && ip.IsLoopback())
	}
	if c.Secret == "" && !loopback {
		return errors.New("the nodes of a cluster need a secret that they know one another by: set cluster_secret, the same on each")
	}
	if c.Listen != "" && !slices.Contains(c.Cluster, c.Listen) {
		return fmt.Errorf("%s, this node's address, is none of the cluster's: %s", c.Listen, strings.Join(c.Cluster, ", "))
	}
	return nil
}

// NewEmbedded starts a server in this process, which nobody reaches but its like, and returns a broker
// on it. In a cluster it waits until most nodes are there; its error says if that does not
// come before ctx ends.
func NewEmbedded(ctx context.Context, config EmbeddedConfig) (*Broker, error) {
	if config.Log == nil {
		config.Log = slog.Default()
	}
	if err := config.Check(); err != nil {
		return nil, err
	}
	if len(config.Cluster) > 0 && config.Listen == "" {
		own, err := ownAddress(ctx, config.Cluster)
		if err != nil {
			return nil, err
		}
		config.Listen = own
	}
	s, password, err := config.start()
	if err != nil {
		return nil, fmt.Errorf("embedded nats: %w", err)
	}
	copies := 1
	if len(config.Cluster) > 0 {
		copies = replicas
		if err := gather(ctx, s, config); err != nil {
			stop(s)
			return nil, fmt.Errorf("embedded nats: %w", err)
		}
	}
	b, err := New(ctx, Config{Replicas: copies, StateTime: config.StateTime, Log: config.Log, inside: s, password: password, noSync: config.NoSync})
	if err != nil {
		stop(s)
		return nil, err
	}
	return b, nil
}

// ownAddress returns the address whose host is this machine.
func ownAddress(ctx context.Context, cluster []string) (own string, err error) {
	here, err := net.InterfaceAddrs()
	if err != nil {
		return "", err
	}
	for _, addr := range cluster {
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			return "", err
		}
		ips, err := net.DefaultResolver.LookupIP(ctx, "ip", host)
		if err != nil {
			continue // of another node, whose name may come later
		}
		mine := slices.ContainsFunc(here, func(a net.Addr) bool {
			n, ok := a.(*net.IPNet)
			return ok && slices.ContainsFunc(ips, n.IP.Equal)
		})
		if mine && own != "" {
			return "", fmt.Errorf("%s and %s are both this machine: set cluster_listen to this node's", own, addr)
		}
		if mine {
			own = addr
		}
	}
	if own == "" {
		return "", fmt.Errorf("none of %s is this machine: set cluster_listen to this node's", strings.Join(cluster, ", "))
	}
	return own, nil
}

// routePing is how often a node asks the others whether they are there. On a network that drops packets nothing
// else tells it that a connection is dead before the next minute.
const routePing = 2 * time.Second

// start runs the server.
func (c EmbeddedConfig) start() (s *server.Server, password string, err error) {
	password = rand.Text()
	// The server does not reach out to others before it listens for clients. Nobody knows the password.
	o := &server.Options{
		ServerName: "ropewalk", Host: "127.0.0.1", Port: server.RANDOM_PORT, Username: insideUser, Password: password, NoSigs: true, NoLog: true, DisableJetStreamBanner: true,
		JetStream: true, StoreDir: filepath.Clean(c.Dir), SyncAlways: !c.NoSync, MaxPayload: maxPayload, MaxPending: 256 << 20,
	}
	if len(c.Cluster) > 0 {
		host, port, err := net.SplitHostPort(c.Listen)
		if err != nil {
			return nil, "", err
		}
		o.ServerName = serverName(c.Listen)
		o.Cluster = server.ClusterOpts{Name: clusterName, Host: host, Username: routeUser, Password: c.secret(), NoAdvertise: true, PingInterval: routePing, MaxPingsOut: 2}
		if o.Cluster.Port, err = strconv.Atoi(port); err != nil {
			return nil, "", err
		}
		for _, addr := range c.Cluster {
			if addr != c.Listen {
				o.Routes = append(o.Routes, &url.URL{Scheme: "nats", User: url.UserPassword(routeUser, c.secret()), Host: addr})
			}
		}
	}
	if s, err = server.NewServer(o); err != nil {
		return nil, "", err
	}
	log := &serverLog{log: c.Log}
	s.SetLoggerV2(log, false, false, false)
	s.Start()
	if !s.ReadyForConnections(10*time.Second) || !s.JetStreamEnabled() {
		stop(s)
		return nil, "", fmt.Errorf("the server does not start in %s: %s", c.Dir, log.last.Load())
	}
	return s, password, nil
}

// secret is never empty: a server without a password would let everybody in who says nothing.
func (c EmbeddedConfig) secret() string {
	if c.Secret == "" {
		return "loopback"
	}
	return c.Secret
}

// serverName is what the others know a node by, for as long as it has its address.
func serverName(addr string) string {
	return strings.NewReplacer(".", "-", ":", "-", "[", "", "]", "").Replace(addr)
}

// gather waits until most nodes of the cluster are there and agree on one that leads.
func gather(ctx context.Context, s *server.Server, c EmbeddedConfig) error {
	said := time.Now()
	for s.JetStreamIsClustered() && !s.JetStreamIsLeader() && !s.JetStreamIsCurrent() {
		if !pause(ctx, 50*time.Millisecond) {
			return fmt.Errorf("most of the nodes %s are not there, or do not agree on the secret: %d of the others are connected: %w",
				strings.Join(c.Cluster, ", "), others(s), context.Cause(ctx))
		}
		if time.Since(said) > 5*time.Second {
			said = time.Now()
			c.Log.Info("nats: waiting for most nodes of the cluster", "connected", others(s))
		}
	}
	return nil
}

// others returns how many nodes this one is connected to.
func others(s *server.Server) int {
	routes, err := s.Routez(nil)
	if err != nil {
		return 0
	}
	names := make(map[string]bool)
	for _, r := range routes.Routes {
		names[r.RemoteName] = true
	}
	return len(names)
}

func stop(s *server.Server) {
	s.Shutdown()
	s.WaitForShutdown()
}
