package brokers

import (
	"context"
	"strings"

	"github.com/seed-15847954/ropewalk/proof"
	"github.com/seed-15847954/ropewalk/proof/service"
)

// A group is a broker of several servers. What happens to it happens to one of them, each time to another one.
type group struct {
	*service.Group
	url    string
	turn   int
	victim *service.Process
}

// Addr is that of one of the servers; the nodes find the others by themselves.
func (g *group) Addr() string { return g.Members[0].Addr }

func (g *group) URL(string) string { return g.url }

// choose makes the next one of some servers the victim.
func (g *group) choose(from []*service.Process) *service.Process {
	g.victim = from[g.turn%len(from)]
	g.turn++
	return g.victim
}

func (g *group) Kill(context.Context) error {
	g.choose(g.Members).Kill()
	return nil
}

func (g *group) Start(ctx context.Context) error { return g.victim.Start(ctx) }

func (g *group) Pause(context.Context) error { return g.choose(g.Members).Pause() }

func (g *group) Resume() error { return g.victim.Resume() }

func (g *group) Close() error {
	g.Discard()
	return nil
}

// A replicated is a group of masters and replicas: the victim is a master.
type replicated struct {
	group
	servers *service.Replicated
}

func newReplicated(s *service.Replicated, url string) *replicated {
	return &replicated{group{Group: &s.Group, url: url}, s}
}

func (r *replicated) Kill(ctx context.Context) error {
	if err := r.servers.Ready(ctx); err != nil {
		return err
	}
	r.choose(r.servers.Masters(ctx)).Kill()
	return nil
}

func (r *replicated) Pause(ctx context.Context) error {
	if err := r.servers.Ready(ctx); err != nil {
		return err
	}
	return r.choose(r.servers.Masters(ctx)).Pause()
}

func (r *replicated) Promoted(ctx context.Context) error { return r.servers.Promoted(ctx, r.victim) }

// sentinel is a Redis with a replica that three Sentinels promote.
func sentinel(ctx context.Context) (proof.Broker, error) {
	g, err := service.Sentinel(ctx)
	if err != nil {
		return nil, err
	}
	return newReplicated(g, "redis://"+g.Watchers[0].Addr+"?master_set=main"+more(g.Watchers[1:])), nil
}

// redisCluster is one of three masters with a replica each.
func redisCluster(ctx context.Context) (proof.Broker, error) {
	g, err := service.RedisCluster(ctx, 3, 1)
	if err != nil {
		return nil, err
	}
	return newReplicated(g, "redis://"+g.Members[0].Addr+"?"+strings.TrimPrefix(more(g.Members[1:]), "&")), nil
}

// more are further addresses of a URL of Redis.
func more(ps []*service.Process) string {
	var s strings.Builder
	for _, p := range ps {
		s.WriteString("&addr=" + p.Addr)
	}
	return s.String()
}

// kafkaCluster is one of three servers.
func kafkaCluster(ctx context.Context) (proof.Broker, error) {
	g, err := service.KafkaCluster(ctx, 3)
	if err != nil {
		return nil, err
	}
	return &group{Group: g, url: "kafka://" + list(g)}, nil
}

// rabbitmqCluster is one of three servers.
func rabbitmqCluster(ctx context.Context) (proof.Broker, error) {
	g, err := service.RabbitMQCluster(ctx, 3)
	if err != nil {
		return nil, err
	}
	for _, p := range g.Members {
		if err := firstStream(ctx, p); err != nil {
			g.Discard()
			return nil, err
		}
	}
	return &group{Group: g, url: "amqp://" + list(g)}, nil
}

// list are all members of a group, as hosts of a URL.
func list(g *service.Group) string {
	var all []string
	for _, p := range g.Members {
		all = append(all, p.Addr)
	}
	return strings.Join(all, ",")
}
