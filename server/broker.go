package server

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/seed-15847954/ropewalk/broker/nats"
	"github.com/seed-15847954/ropewalk/broker/registry"
)

const (
	// brokerTime bounds the first connection to a broker, which may just be starting.
	brokerTime = 30 * time.Second

	// clusterTime bounds the waiting for most nodes of a cluster, which somebody starts one by one.
	clusterTime = 2 * time.Minute
)

// openBroker returns the broker that the configuration names.
func (c Config) openBroker(log *slog.Logger) (registry.Broker, error) {
	limit := brokerTime
	if len(c.Cluster) > 0 {
		limit = clusterTime
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	return registry.Open(ctx, c.Broker, registry.Options{MaxHistory: c.MaxHistory, Embedded: c.embedded(), Log: log})
}

// embedded returns what the broker in the nodes is told.
func (c Config) embedded() nats.EmbeddedConfig {
	dir := c.Data
	if dir == "" {
		dir = "data"
	}
	return nats.EmbeddedConfig{Cluster: c.Cluster, Listen: c.ClusterListen, Secret: c.ClusterSecret, Dir: dir, NoSync: c.NoSync}
}

// errCluster is why a cluster of nodes cannot have its logs elsewhere.
var errCluster = errors.New("cluster is for the embedded broker, and the broker is another one")

// checkBroker reports why the settings of the broker do not fit.
func (c Config) checkBroker() error {
	switch {
	case c.Broker == registry.Embedded:
		return c.embedded().Check()
	case len(c.Cluster) > 0:
		return errCluster
	}
	return nil
}
