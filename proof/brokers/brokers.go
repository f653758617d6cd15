// Package brokers starts the brokers that clusters are proved on, each with the settings that its
// promise needs.
package brokers

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/seed-15847954/ropewalk/proof"
	"github.com/seed-15847954/ropewalk/proof/service"
)

// kinds are what there is, by name, but for the one in the nodes.
var kinds = map[string]func(ctx context.Context) (proof.Broker, error){
	"kafka":          kafka,
	"kafka-3":        kafkaCluster,
	"nats":           nats,
	"rabbitmq":       rabbitmq,
	"rabbitmq-3":     rabbitmqCluster,
	"redis":          redis,
	"redis-cluster":  redisCluster,
	"redis-sentinel": sentinel,
	"valkey":         valkey,
}

// addressed are those that do not tell nodes where to connect, so that they can come from anywhere.
var addressed = map[string]bool{"nats": true, "rabbitmq": true, "redis": true, "valkey": true}

// embedded is the broker in the nodes.
const embedded = "embedded"

// Clusters returns how to start clusters of the server's program on a kind of broker, and the faults
// that they are put to.
func Clusters(kind, program string) (proof.Starter, []*proof.Fault, error) {
	if kind == embedded {
		return proof.Embedded(program), append(proof.NodeFaults(), proof.NetworkFaults()...), nil
	}
	start, ok := kinds[kind]
	if !ok {
		return nil, nil, fmt.Errorf("there is no broker %q, but %s", kind, strings.Join(Kinds(), ", "))
	}
	all := proof.NodeFaults()
	switch {
	case strings.HasPrefix(kind, "redis-"):
		all = append(all, proof.ReplicaFaults()...)
	case strings.HasSuffix(kind, "-3"):
		all = append(all, proof.ServerFaults()...)
	default:
		all = append(all, proof.BrokerFaults()...)
	}
	if addressed[kind] {
		all = append(all, proof.NetworkFaults()...)
	}
	return proof.Cluster(program, start), all, nil
}

// Kinds returns the names of all kinds.
func Kinds() []string { return append([]string{embedded}, slices.Sorted(maps.Keys(kinds))...) }

// redis is one that writes to its disk before it answers.
func redis(ctx context.Context) (proof.Broker, error) {
	p, err := service.Redis(ctx)
	return &broker{Process: p, scheme: "redis"}, err
}

// valkey is one that does so, too.
func valkey(ctx context.Context) (proof.Broker, error) {
	p, err := service.Valkey(ctx)
	return &broker{Process: p, scheme: "redis"}, err
}

// nats is a JetStream that syncs every message before it answers.
func nats(ctx context.Context) (proof.Broker, error) {
	p, err := service.NATS(ctx)
	return &broker{Process: p, scheme: "nats"}, err
}

// A doored broker has a way in for each node.
type doored struct {
	*broker
	doors []service.Door
}

func (d doored) Door(node int) (addr, target string) { return d.doors[node].Addr, d.doors[node].Target }

// kafka is one server.
func kafka(ctx context.Context) (proof.Broker, error) {
	var doors []service.Door
	for range proof.Nodes {
		addr, err := service.FreeAddr()
		if err != nil {
			return nil, err
		}
		target, err := service.FreeAddr()
		if err != nil {
			return nil, err
		}
		doors = append(doors, service.Door{Addr: addr, Target: target})
	}
	p, err := service.Kafka(ctx, doors...)
	return doored{&broker{Process: p, scheme: "kafka"}, doors}, err
}
