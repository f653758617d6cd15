package server

import (
	"context"
	"fmt"
	"net"

	"github.com/seed-15847954/ropewalk/cluster"
	"github.com/seed-15847954/ropewalk/hub"
)

// join makes the hub, and what this node knows of the others.
func (s *Server) join() {
	bus, _ := s.broker.Broker.(cluster.Bus)
	s.cluster = cluster.New(cluster.Config{
		Node: s.node, Version: s.config.Version, Bus: bus,
		Changed: func(channel string, c *hub.PresenceChange) { s.hub.Changed(channel, c) },
		Answer: func(ctx context.Context, method string, request []byte) ([]byte, error) {
			return s.calls.Answer(ctx, method, request)
		},
		Log: s.log,
	})
	config := hub.Config{Namespaces: s.config.Namespaces, Default: *s.config.Channels}
	if _, keeps := s.broker.Broker.(hub.PresenceKeeper); !keeps {
		config.Presence = s.cluster
	}
	s.hub = hub.New(s.broker.Broker, config)
	s.forward = newForwarder(s.cluster, s.log)
	s.health = newHealth(s.hub, s.broker.Broker, s.cluster, s.log)
}

// meet begins to speak with the other nodes, which reach this one at addr unless the
// configuration says otherwise.
func (s *Server) meet(ctx context.Context, addr net.Addr) error {
	address := s.config.Advertise
	if address == "" {
		address = advertised(addr)
	}
	ctx, cancel := context.WithTimeout(ctx, brokerTime)
	defer cancel()
	if err := s.cluster.Start(ctx, address); err != nil {
		return fmt.Errorf("broker: %w", err)
	}
	s.health.start()
	return nil
}
