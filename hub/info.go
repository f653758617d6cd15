package hub

import (
	"math"
	"slices"
	"strings"
)

// A ChannelInfo is what the node knows of one channel that has subscribers.
type ChannelInfo struct {
	Name        string
	Subscribers int // on this node

	// Top is the position of the last publication that was delivered here.
	Top Position
}

// List returns up to limit channels with subscribers on this node in the order of
// their names, from behind after on, and whether there are more. A pattern,
// unless it is the zero value, leaves out names that do not match.
// The time it takes grows with the number of all channels of the node.
func (h *Hub) List(after string, limit int, match Pattern) (channels []ChannelInfo, more bool) {
	limit = min(max(limit, 1), math.MaxInt-1)
	for i := range h.shards {
		for _, ch := range h.shards[i].appendBehind(nil, after, match) {
			if info := ch.info(); info.Subscribers > 0 {
				channels = append(channels, info)
			}
		}
		channels = smallest(channels, limit+1)
	}
	if len(channels) > limit {
		return channels[:limit], true
	}
	return channels, false
}

func (sh *shard) appendBehind(found []*channel, after string, match Pattern) []*channel {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	for name, ch := range sh.channels {
		if name > after && name != HealthChannel && (match == Pattern{} || match.Match(name)) {
			found = append(found, ch)
		}
	}
	return found
}

// smallest sorts channels by name and keeps the first n.
func smallest(channels []ChannelInfo, n int) []ChannelInfo {
	slices.SortFunc(channels, func(a, b ChannelInfo) int { return strings.Compare(a.Name, b.Name) })
	return channels[:min(n, len(channels))]
}

func (ch *channel) info() ChannelInfo {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	return ChannelInfo{Name: ch.name, Subscribers: len(ch.list.subs), Top: ch.last}
}

// Channels returns how many channels have subscribers on this node, or are about
// to have or to lose them.
func (h *Hub) Channels() int {
	n := 0
	for i := range h.shards {
		sh := &h.shards[i]
		sh.mu.Lock()
		n += len(sh.channels)
		sh.mu.Unlock()
	}
	return n
}

// Subscribers returns how many subscribers the channel has on this node.
func (h *Hub) Subscribers(name string) int {
	if ch := h.find(name); ch != nil {
		return ch.size()
	}
	return 0
}

// Stats are counts of a hub. Those in the past tense only rise.
type Stats struct {
	Channels      int   // with subscribers, or about to have or to lose them
	Subscriptions int   // of channels, without those of patterns
	Patterns      int   // with subscribers
	TailBytes     int64 // in use of Config.TailBytes

	Published uint64 // messages that were handed in on this node and taken

	Gaps     uint64 // breaks of continuity that were seen
	Repaired uint64 // of them, filled from history
	Lost     uint64 // subscriptions that ended since history could not help
	Reads    uint64 // of the broker's history, to recover or repair
	Recalled uint64 // questions answered from the node's own tail

	// Recoveries of subscribers, and beginnings with the latest publications: with what
	// the node's own tail had alone, with what the broker's history had, and those that
	// could not be.
	RecoveredTail, RecoveredBroker, NotRecovered uint64
}

// Stats returns the present counts. It visits every channel.
func (h *Hub) Stats() Stats {
	s := Stats{
		Gaps: h.counts.gaps.Load(), Repaired: h.counts.repaired.Load(), Lost: h.counts.lost.Load(),
		Reads: h.counts.reads.Load(), Recalled: h.counts.recalled.Load(), Published: h.counts.published.Load(),
		RecoveredTail: h.counts.recovered.tail.Load(), RecoveredBroker: h.counts.recovered.broker.Load(),
		NotRecovered: h.counts.recovered.failed.Load(),
	}
	var channels []*channel
	for i := range h.shards {
		channels = h.shards[i].appendBehind(channels, "", Pattern{})
	}
	s.Channels = len(channels)
	for _, ch := range channels {
		s.Subscriptions += ch.size()
	}
	s.Patterns = h.patterns.size()
	s.TailBytes = h.tails.size()
	return s
}
