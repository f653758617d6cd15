package redis

import (
	"errors"
	"hash/fnv"
	"strconv"

	"github.com/seed-15847954/ropewalk/hub"
)

// partitions is how many there are. It is the same for all nodes, for ever.
const partitions = 256

// nodesPlace stands for what nodes say to each other, which has a slot of its own, where one for a partition
// is expected.
const nodesPlace partition = partitions

// places are the partitions and nodesPlace.
const places = partitions + 1

// maxOffset bounds offsets, as hub.Position has it.
const maxOffset = 1 << 53

// A partition is a part of all channels, whose keys are in one slot of a cluster.
type partition int

func partitionOf(channel string) partition {
	h := fnv.New64a()
	_, _ = h.Write([]byte(channel)) // never fails
	return partition(h.Sum64() % partitions)
}

// tag is what the slot of all keys of the place follows from.
func (p partition) tag() string {
	if p == nodesPlace {
		return "nodes"
	}
	return strconv.Itoa(int(p))
}

// key returns the name of a key of the partition: its kind, then what nobody parses.
func (b *Broker) key(p partition, kind, rest string) string {
	return b.prefixes[p] + kind + ":" + rest
}

// The kinds of keys. functions.lua expects the names of all kinds to be as long.
const (
	kindPartition = "p" // and the pub/sub channel of all that is published there
	kindLast      = "l" // and the pub/sub channel of what is published in a channel
	kindStream    = "s"
	kindID        = "d"
)

func (b *Broker) nodesKey() string     { return b.config.Prefix + ":{nodes}" }
func (b *Broker) nodesChannel() string { return b.config.Prefix + ":{nodes}:say" }
func (b *Broker) busChannel() string   { return b.config.Prefix + ":{nodes}:bus" }

func (b *Broker) partitionKey(p partition) string { return b.key(p, kindPartition, "") }

// idKey is that of a message's ID, which the channel's length keeps apart from its name.
func (b *Broker) idKey(p partition, channel, id string) string {
	return b.key(p, kindID, strconv.Itoa(len(channel))+":"+channel+":"+id)
}

func parsePosition(epoch, offset string) (hub.Position, error) {
	n, err := strconv.ParseUint(offset, 10, 64)
	if err != nil || n >= maxOffset || epoch == "" {
		return hub.Position{}, errors.New("redis: not a position")
	}
	return hub.Position{Epoch: epoch, Offset: n}, nil
}
