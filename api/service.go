package api

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/seed-15847954/ropewalk/api/apipb"
	"github.com/seed-15847954/ropewalk/hub"
)

// A service carries the calls out, however they came. Its errors are [Error]s or
// those of lower floors, which explain explains. All methods may be called at once
// by many goroutines.
type service struct {
	// Constant after New.
	Config
	start time.Time
}

// Info implements the service.
func (s *service) Info(context.Context, *apipb.InfoRequest) (*apipb.InfoResponse, error) {
	stats := s.Hub.Stats()
	broker := &apipb.Broker{Name: s.BrokerName}
	_, broker.History = s.Broker.(hub.Historian)
	broker.Presence = s.Hub.KeepsPresence()
	_, broker.Patterns = s.Broker.(hub.PatternBroker)
	if l, ok := s.Broker.(hub.Leveler); ok {
		level := l.Level()
		broker.Acked, broker.Warnings = level.Acked, level.Warnings
	}
	nodes := []*apipb.Node{{Name: s.Node, Version: s.Version}}
	for _, n := range s.Nodes.Nodes() {
		nodes = append(nodes, &apipb.Node{Name: n.Name, Version: n.Version})
	}
	slices.SortFunc(nodes, func(a, b *apipb.Node) int { return strings.Compare(a.Name, b.Name) })
	return &apipb.InfoResponse{
		Nodes:         nodes,
		Version:       s.Version,
		Node:          s.Node,
		Uptime:        time.Since(s.start).Milliseconds(),
		Broker:        broker,
		Clients:       uint64(s.Clients.Len()),
		Channels:      uint64(stats.Channels),
		Subscriptions: uint64(stats.Subscriptions),
		Patterns:      uint64(stats.Patterns),
		Slow: &apipb.Slow{
			Disconnected: uint64(s.Slow.Disconnected.Load()), Lagged: uint64(s.Slow.Lagged.Load()),
			Dropped: uint64(s.Slow.Dropped.Load()), Conflated: uint64(s.Slow.Conflated.Load()), Latest: uint64(s.Slow.Latest.Load()),
		},
		Recovery: &apipb.Recovery{
			Gaps: stats.Gaps, Repaired: stats.Repaired, Lost: stats.Lost,
			Reads: stats.Reads, Recalled: stats.Recalled, TailBytes: uint64(stats.TailBytes),
		},
	}, nil
}
