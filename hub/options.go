package hub

import "time"

// Options say what a channel does. The zero value is a channel without history,
// where delivery is at most once.
type Options struct {
	// History is how many publications the channel keeps, and HistoryTime how
	// long it keeps each. Nothing is kept when one of them is zero.
	History     int
	HistoryTime time.Duration

	// Dedup is how long the ID of a message is remembered. Zero means not at all.
	Dedup time.Duration

	// Presence keeps who is in the channel, and Joins tells those who ask for it of
	// each join and leave. Joins needs Presence.
	Presence bool
	Joins    bool

	// Slow says what becomes of a subscriber that does not take its messages in time.
	Slow Policy

	// MaxSubscribers bounds the subscribers of the channel on one node. Zero means
	// no bound.
	MaxSubscribers int

	// MaxData bounds the data of one publication, in bytes. Zero means what
	// the server allows.
	MaxData int
}

// Recoverable reports whether the channel keeps anything to recover from.
func (o *Options) Recoverable() bool { return o.History > 0 && o.HistoryTime > 0 }

// A Policy says what becomes of a subscriber whose queue is full.
type Policy uint8

const (
	// Disconnect ends its session; it comes back and recovers.
	Disconnect Policy = iota

	// DropOldest drops the oldest queued publications of the channel and tells the
	// subscriber which.
	DropOldest

	// Conflate keeps, of what is queued, only the last publication of each
	// [Message.Key], for prices and positions.
	Conflate

	// Latest keeps only the last publication that is queued.
	Latest

	// CatchUp frees the queue and reads what follows from history once the
	// subscriber takes messages again. It needs history.
	CatchUp
)

var policyNames = [...]string{"disconnect", "drop_oldest", "conflate", "latest", "catch_up"}

// String returns the policy's name in configuration.
func (p Policy) String() string { return policyNames[p] }

// ParsePolicy returns the policy of that name.
func ParsePolicy(name string) (Policy, bool) {
	for i, n := range policyNames {
		if n == name {
			return Policy(i), true
		}
	}
	return 0, false
}

// A Namespace gives the channels whose names match a pattern their options.
type Namespace struct {
	// Pattern is one that [ParsePattern] takes.
	Pattern string
	Options
}
