package server

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/seed-15847954/ropewalk/hub"
)

// A channelSetting is one option of channels. As a setting it is channels.KEY and
// means the channels that no namespace matches; in a namespace it is KEY.
type channelSetting struct {
	key, usage, allowed, def string
	boolean                  bool

	set func(o *hub.Options, s string) error
}

// channelSettings returns every option, in the order of the documentation.
func channelSettings() []channelSetting {
	const duration = "0s, or a duration up to 720h such as 10m"
	return []channelSetting{
		{
			key: "history", usage: "publications that a channel keeps", def: "1000",
			allowed: "a whole number from 0 to 1000000",
			set:     func(o *hub.Options, s string) (err error) { o.History, err = parseInt(s, 0, 1e6); return },
		},
		{
			key: "history_time", usage: "how long a channel keeps each publication", def: "10m", allowed: duration,
			set: func(o *hub.Options, s string) (err error) { o.HistoryTime, err = parseSpan(s); return },
		},
		{
			key: "dedup", usage: "how long the id of a publication is remembered", def: "5m", allowed: duration,
			set: func(o *hub.Options, s string) (err error) { o.Dedup, err = parseSpan(s); return },
		},
		{
			key: "presence", usage: "keep who is subscribed", def: "true", allowed: "true or false", boolean: true,
			set: func(o *hub.Options, s string) (err error) { o.Presence, err = parseBool(s); return },
		},
		{
			key: "joins", usage: "tell those who ask of each join and leave, where presence is kept", def: "true", allowed: "true or false", boolean: true,
			set: func(o *hub.Options, s string) (err error) { o.Joins, err = parseBool(s); return },
		},
		{
			key: "slow", usage: "what becomes of a subscriber that does not keep up", def: "disconnect",
			allowed: "disconnect, drop_oldest, conflate, latest or catch_up",
			set:     setPolicy,
		},
		{
			key: "subscribers", usage: "most subscribers of a channel, 0 for no limit", def: "0",
			allowed: "a whole number from 0 to 1000000000",
			set:     func(o *hub.Options, s string) (err error) { o.MaxSubscribers, err = parseInt(s, 0, 1e9); return },
		},
		{
			key: "data", usage: "largest data of one publication in bytes, 0 for limits.data", def: "0",
			allowed: "a whole number from 0 to 16777216",
			set:     func(o *hub.Options, s string) (err error) { o.MaxData, err = parseInt(s, 0, 16<<20); return },
		},
	}
}

func setPolicy(o *hub.Options, s string) error {
	policy, ok := hub.ParsePolicy(s)
	if !ok {
		return errValue
	}
	o.Slow = policy
	return nil
}

// maxSpan bounds the times of channels.
const maxSpan = 720 * time.Hour

func parseSpan(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 || d > maxSpan {
		return 0, errValue
	}
	return d, nil
}

// setting makes s a setting of the channels without a namespace.
func (s channelSetting) setting() Setting {
	return Setting{
		Key: "channels." + s.key, Usage: s.usage, Default: s.def, Allowed: s.allowed, Bool: s.boolean,
		set: one(func(c *Config, v string) error { return s.set(c.channels(), v) }),
	}
}

// channels returns the options that settings change, which begin as the defaults.
func (c *Config) channels() *hub.Options {
	if c.Channels == nil {
		o := DefaultOptions()
		c.Channels = &o
	}
	return c.Channels
}

// DefaultOptions returns the options of channels where nothing is configured.
func DefaultOptions() hub.Options {
	var o hub.Options
	for _, s := range channelSettings() {
		if err := s.set(&o, s.def); err != nil {
			panic("server: default of " + s.key + ": " + err.Error())
		}
	}
	return o
}

// A value is the text of one key with the place that it comes from.
type value struct{ text, origin string }

// A namespace is one element of the list namespaces, as the file has it.
type namespace struct {
	origin string
	values map[string]value
}

// keys of a namespace, for messages.
func namespaceKeys() string {
	names := []string{"pattern"}
	for _, s := range channelSettings() {
		names = append(names, s.key)
	}
	return strings.Join(names, ", ")
}

// resolve turns namespaces into those of package hub. What one does not say is as
// in the options of channels.
func resolve(namespaces []namespace, defaults hub.Options) ([]hub.Namespace, error) {
	var resolved []hub.Namespace
	for _, n := range namespaces {
		ns, err := n.resolve(defaults)
		if err != nil {
			return nil, err
		}
		resolved = append(resolved, ns)
	}
	return resolved, nil
}

func (n namespace) resolve(defaults hub.Options) (hub.Namespace, error) {
	pattern, ok := n.values["pattern"]
	if !ok {
		return hub.Namespace{}, fmt.Errorf("%s: namespaces: no pattern", n.origin)
	}
	if _, err := hub.ParsePattern(pattern.text); err != nil {
		return hub.Namespace{}, fmt.Errorf("%s: namespaces: pattern: %s is not allowed: %w", pattern.origin, describe([]string{pattern.text}), err)
	}
	ns := hub.Namespace{Pattern: pattern.text, Options: defaults}
	for _, key := range slices.Sorted(maps.Keys(n.values)) {
		v := n.values[key]
		i := slices.IndexFunc(channelSettings(), func(s channelSetting) bool { return s.key == key })
		if key == "pattern" {
			continue
		}
		if i < 0 {
			return hub.Namespace{}, fmt.Errorf("%s: namespaces: %s: unknown key, the keys are %s", v.origin, describe([]string{key}), namespaceKeys())
		}
		s := channelSettings()[i]
		if err := s.set(&ns.Options, v.text); err != nil {
			return hub.Namespace{}, fmt.Errorf("%s: namespaces: %s: %s is not allowed, want %s", v.origin, key, describe([]string{v.text}), s.allowed)
		}
	}
	if err := checkOptions(ns.Options); err != nil {
		return hub.Namespace{}, fmt.Errorf("%s: namespaces: %w", n.origin, err)
	}
	return ns, nil
}

// checkOptions reports options that contradict each other.
func checkOptions(o hub.Options) error {
	if o.Slow == hub.CatchUp && !o.Recoverable() {
		return fmt.Errorf("slow: %q is not allowed without history and history_time", o.Slow)
	}
	return nil
}
