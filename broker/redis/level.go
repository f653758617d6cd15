package redis

import (
	"context"
	"fmt"
	"strconv"

	"github.com/redis/rueidis"

	"github.com/seed-15847954/ropewalk/hub"
)

// A setup is what one server says of how it keeps what it is given. What it does not tell is
// empty.
type setup struct {
	addr        string
	policy      string // maxmemory-policy
	appendOnly  string // yes or no
	appendFsync string // always, everysec or no
	replicas    int    // that are connected
	master      bool
}

// inspect asks a server. A user who may not read the configuration is told what INFO says.
func inspect(ctx context.Context, addr string, node rueidis.Client) (setup, error) {
	info, err := node.Do(ctx, node.B().Info().Section("memory").Section("replication").Section("persistence").Build()).ToString()
	if err != nil {
		return setup{}, fmt.Errorf("%s: %w", addr, err)
	}
	s := setup{addr: addr, policy: field(info, "maxmemory_policy"), master: field(info, "role") == "master"}
	s.replicas, _ = strconv.Atoi(field(info, "connected_slaves")) // 0 where it is not said
	s.appendOnly = map[string]string{"0": "no", "1": "yes"}[field(info, "aof_enabled")]
	config, err := node.Do(ctx, node.B().ConfigGet().Parameter("appendfsync").Build()).AsStrMap()
	if err == nil {
		s.appendFsync = config["appendfsync"]
	}
	return s, nil
}

// Level says what an acknowledgement means, as the servers were set up when this node connected.
func (b *Broker) Level() hub.Level {
	b.mu.Lock()
	defer b.mu.Unlock()
	level := hub.Level{Acked: "on the disk of one server"}
	for _, s := range b.setups {
		if s.master {
			level.Warnings = append(level.Warnings, s.warnings()...)
		}
	}
	if len(level.Warnings) > 0 {
		level.Acked = "in the memory of one server"
	}
	for _, s := range b.setups {
		if s.master && s.replicas > 0 {
			level.Warnings = append(level.Warnings,
				fmt.Sprintf("%s: its %d replicas get what was acknowledged later; after a promotion clients are told that their positions are gone", s.addr, s.replicas))
		}
	}
	return level
}

// warnings says what the server may lose when its process ends or its machine does.
func (s setup) warnings() []string {
	switch {
	case s.appendOnly == "no":
		return []string{s.addr + ": appendonly is no: a restart loses what was acknowledged since the last snapshot; set appendonly yes and appendfsync always"}
	case s.appendFsync == "":
		return []string{s.addr + ": appendfsync is not known, for this user may not call CONFIG GET; set appendfsync always"}
	case s.appendFsync != "always":
		return []string{fmt.Sprintf("%s: appendfsync is %s: a loss of power loses what was acknowledged in the last seconds; set appendfsync always", s.addr, s.appendFsync)}
	}
	return nil
}
