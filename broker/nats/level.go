package nats

import (
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/seed-15847954/ropewalk/hub"
)

// Level says what the stream promises, as it was found last.
func (b *Broker) Level() hub.Level { return *b.level.Load() }

// levelOf reads it from the stream. Whether a server of somebody else's writes to its disk before it
// acknowledges, nobody is told.
func levelOf(info *jetstream.StreamInfo, config Config) *hub.Level {
	l := new(hub.Level)
	where, copies := "on the disk", info.Config.Replicas
	if info.Config.Storage == jetstream.MemoryStorage {
		where = "in the memory"
		l.Warnings = append(l.Warnings, "the stream "+info.Config.Name+" is in memory: a restart loses it; make it anew with storage file")
	}
	switch {
	case info.Config.Storage == jetstream.MemoryStorage:
	case config.inside == nil:
		where = "written by"
		l.Warnings = append(l.Warnings, "whether the servers sync each message is not known: set sync_interval: always in the jetstream part "+
			"of their configuration, or a loss of power can lose the last 2 minutes")
	case config.noSync:
		where = "written by"
		l.Warnings = append(l.Warnings, "messages are not synced one by one: a loss of power on most nodes at once can lose the last 2 minutes; leave no_sync out")
	}
	if where == "written by" {
		l.Acked = fmt.Sprintf("written by %s, not known to be on disk", servers(copies))
	} else {
		l.Acked = fmt.Sprintf("%s of %s", where, servers(copies))
	}
	if copies == 1 && info.Cluster != nil && info.Cluster.Name != "" {
		l.Warnings = append(l.Warnings, "the stream has one copy in a cluster: make it 3 replicas")
	}
	return l
}

func servers(copies int) string {
	if copies == 1 {
		return "one server"
	}
	return fmt.Sprintf("%d of %d servers", copies/2+1, copies)
}
