package hub

import (
	"fmt"
	"hash/maphash"
	"sync"
)

// defaultTailBytes is Config.TailBytes where that is zero.
const defaultTailBytes = 64 << 20

// A Config says what the channels of a hub do.
type Config struct {
	// Namespaces give channels their options. The first one whose pattern matches a
	// channel's name counts.
	Namespaces []Namespace

	// Default are the options of the channels that no namespace matches.
	Default Options

	// TailBytes bounds the memory of recent publications, over all channels, that
	// the node keeps for clients that come back. Zero means 64 MiB, and a
	// negative value that nothing is kept. Nothing is kept of a [NearHistorian] either.
	TailBytes int

	// Presence keeps who is in a channel. Nil means the broker, if it is a [PresenceKeeper].
	// Another one hands what subscribers are to be told to [Hub.Changed].
	Presence PresenceKeeper
}

// Options returns those of the channel. They are shared: nobody changes them.
func (h *Hub) Options(channel string) *Options { return h.options.of(channel) }

// maxCachedNames bounds the names whose options each shard of the cache remembers.
const maxCachedNames = 1024

// An optionsTable finds the options of channels.
type optionsTable struct {
	// Constant after newOptionsTable.
	namespaces []namespace
	standard   *Options
	seed       maphash.Seed

	cache [16]optionsCache
}

type namespace struct {
	pattern Pattern
	options *Options
}

// An optionsCache remembers what the patterns said of names, as they are matched
// for each publication. When it is full it begins anew.
type optionsCache struct {
	mu    sync.Mutex
	names map[string]*Options
}

func newOptionsTable(config Config) *optionsTable {
	t := &optionsTable{standard: &config.Default, seed: maphash.MakeSeed()}
	for _, n := range config.Namespaces {
		p, err := ParsePattern(n.Pattern)
		if err != nil {
			panic(fmt.Sprintf("hub: namespace %q: %v", n.Pattern, err))
		}
		t.namespaces = append(t.namespaces, namespace{p, &n.Options})
	}
	return t
}

// healthOptions are those of HealthChannel.
var healthOptions Options

func (t *optionsTable) of(channel string) *Options {
	if channel == HealthChannel {
		return &healthOptions
	}
	if len(t.namespaces) == 0 {
		return t.standard
	}
	c := &t.cache[maphash.String(t.seed, channel)%uint64(len(t.cache))]
	c.mu.Lock()
	defer c.mu.Unlock()
	o := c.names[channel]
	if o != nil {
		return o
	}
	if c.names == nil || len(c.names) >= maxCachedNames {
		c.names = make(map[string]*Options)
	}
	o = t.match(channel)
	c.names[channel] = o
	return o
}

func (t *optionsTable) match(channel string) *Options {
	for _, n := range t.namespaces {
		if n.pattern.Match(channel) {
			return n.options
		}
	}
	return t.standard
}
