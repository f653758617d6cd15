package server

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/seed-15847954/ropewalk/broker/registry"
	"github.com/seed-15847954/ropewalk/hub"
)

// A Config says how a server runs. The zero value is safe: it listens on loopback
// alone and serves no page.
type Config struct {
	// Listen is the TCP address to listen on, host:port. Port 0 means a free one.
	// Empty means 127.0.0.1:8000.
	Listen string

	// Dev serves the page at / on which a person can try the server.
	Dev bool

	// Broker is where the channels' logs are: "memory", in this process alone, "embedded", on the disk of
	// each of the nodes of Cluster, or the URL of a NATS or Redis that several nodes may share. Empty
	// means "embedded" if there is a Cluster, and "memory" otherwise.
	Broker string

	// Cluster are the addresses, host:port, at which the nodes of an embedded broker reach one another: those of
	// all nodes, this one's included. Empty means that it is alone.
	Cluster []string

	// ClusterListen is this node's own. Empty means the one of Cluster whose host is this machine.
	ClusterListen string

	// ClusterSecret is what the nodes know one another by. It may be empty if all are on loopback.
	ClusterSecret string

	// Data is the folder of an embedded broker. Empty means "data".
	Data string

	// Advertise is where the other nodes that share the broker reach this one, host:port. Empty
	// means where it listens, or an address of this machine if that is all of them.
	Advertise string

	// NoSync has an embedded broker acknowledge what is not on the disk yet.
	NoSync bool

	// InsecurePublic lets Listen be an address that other machines reach, although
	// nobody is asked who they are.
	InsecurePublic bool

	// Origins are the origins, besides the server's own, whose pages may connect:
	// patterns as websocket.AcceptOptions.OriginPatterns has them.
	Origins []string

	// Hosts are the names, besides localhost and IP addresses, under which the server
	// may be asked for. Where it listens on loopback all others are refused, for
	// a page can have its own name point here (DNS rebinding). Elsewhere they are
	// refused when Hosts is not empty. A name stands for itself on every port.
	Hosts []string

	// DrainTimeout bounds the orderly end of all connections. Zero means 10 seconds.
	DrainTimeout time.Duration

	// LogLevel is the least level that is logged. The zero value is info.
	LogLevel slog.Level

	// LogFormat is "text" or "json". Empty means text.
	LogFormat string

	// MaxData bounds the data of one publication, in bytes. Zero means 64 KiB.
	MaxData int

	// MaxQueue bounds what waits to be sent to one client, in bytes.
	// Zero means 1 MiB.
	MaxQueue int

	// MaxSubscriptions bounds the channels of one client. Zero means 128.
	MaxSubscriptions int

	// MaxHistory bounds the memory that the histories of all channels take, in
	// bytes. Zero means 256 MiB.
	MaxHistory int

	// ResumeTime is how long a client whose connection was lost is still present, and
	// may come back as the same one. Zero means 10 seconds, a negative value not at all.
	ResumeTime time.Duration

	// Version is that of the program, for those who ask the api. Empty means unknown.
	Version string

	// Channels are the options of channels that no namespace matches. Nil means
	// DefaultOptions.
	Channels *hub.Options

	// Namespaces give other channels theirs; the first that matches decides.
	Namespaces []hub.Namespace
}

// withDefaults returns c with its zero values replaced.
func (c Config) withDefaults() Config {
	if c.Listen == "" {
		c.Listen = "127.0.0.1:8000"
	}
	if c.Broker == "" || c.Broker == registry.Memory && len(c.Cluster) > 0 {
		c.Broker = registry.Memory
		if len(c.Cluster) > 0 {
			c.Broker = registry.Embedded
		}
	}
	if c.DrainTimeout == 0 {
		c.DrainTimeout = 10 * time.Second
	}
	if c.MaxData == 0 {
		c.MaxData = 64 << 10
	}
	if c.MaxHistory == 0 {
		c.MaxHistory = 256 << 20
	}
	if c.ResumeTime == 0 {
		c.ResumeTime = 10 * time.Second
	}
	c.channels()
	return c
}

// errPublic is why the server does not listen on every address it is given.
var errPublic = errors.New("is reachable from other machines, and this server does not ask clients who they are; " +
	"listen on 127.0.0.1, or set insecure_public if a firewall or a proxy decides who may connect")

// checkListen reports why Listen cannot be listened on.
func (c Config) checkListen() error {
	addr, err := net.ResolveTCPAddr("tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("%q is not an address to listen on (%w), want host:port such as 127.0.0.1:8000", c.Listen, err)
	}
	if !addr.IP.IsLoopback() && !c.InsecurePublic {
		return fmt.Errorf("%q %w", c.Listen, errPublic)
	}
	return nil
}

// loopback reports whether only this machine reaches the server.
func (c Config) loopback() bool {
	addr, err := net.ResolveTCPAddr("tcp", c.Listen)
	return err == nil && addr.IP.IsLoopback()
}

// insecure returns the keys of the settings that give up protection.
func (c Config) insecure() []string {
	if c.InsecurePublic {
		return []string{"insecure_public"}
	}
	return nil
}
