package client

import (
	"encoding/json"
	"fmt"
	"time"
)

// A Position is a place in a channel's log: just behind the publication with
// that offset. Offsets rise but need not be dense; those of different epochs
// cannot be compared.
type Position struct {
	Epoch  string `json:"epoch"`
	Offset uint64 `json:"offset"`
}

// An Event is something that happened in a subscription: a *Subscribed, a
// *Publication, a *Skipped, a *Lost, a *Joined or a *Left.
type Event interface{ event() }

// Subscribed says that the subscription is up, for the first time or again.
type Subscribed struct {
	// Position is where it begins: all that lies behind it follows. It is empty for
	// a pattern.
	Position Position

	// Recovered says that this is where the subscription was, and that what was
	// missed follows.
	Recovered bool
}

// A Publication is one message of a channel.
type Publication struct {
	Channel string
	Position

	// Prev is the offset of the event before it.
	Prev uint64

	// Time is when the server's broker took it.
	Time time.Time

	// ID, Key and Tags are the publisher's.
	ID   string
	Key  string
	Tags map[string]string

	// Data is JSON text, or anything when ContentType is set.
	Data        []byte
	ContentType string

	// Client is the public name of the client that published, empty for a back end.
	Client string
}

// Skipped says that what lies behind Prev up to Position is left out, and why that
// is no fault: "own" (published with ExcludeSelf), or what the channel does with
// slow subscribers: "dropped", "conflated" or "latest".
type Skipped struct {
	Position
	Prev   uint64
	Reason string
}

// Lost says that publications may be missing between the event before and the
// Subscribed that follows: the server's history does not reach back, its log has
// another epoch, or the channel has no history.
type Lost struct {
	// Since is the last position that the subscription knew.
	Since Position

	// Reason is the server's: "epoch", "trimmed" or "no_history".
	Reason string
}

// A Member is a client that is present in a channel.
type Member struct {
	Client string          `json:"client"`
	User   string          `json:"user,omitempty"`
	Info   json.RawMessage `json:"info,omitempty"`
}

// Joined says who came to the channel, where SubscribeOptions.Joins asks for it.
type Joined struct{ Member Member }

// Left says who went.
type Left struct{ Member Member }

func (*Subscribed) event()  {}
func (*Publication) event() {}
func (*Skipped) event()     {}
func (*Lost) event()        {}
func (*Joined) event()      {}
func (*Left) event()        {}

// An Error is a server's answer to a command that failed, or why it ended a
// subscription. The codes are in docs/reference/protocol.md.
type Error struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Retry   bool   `json:"retry"` // the same may succeed later
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// A Disconnect is why the server ended the connection.
type Disconnect struct {
	Code   int    `json:"code"`
	Reason string `json:"reason"`

	// Retry says that the client comes back, after After.
	Retry bool          `json:"retry"`
	After time.Duration `json:"-"`
}

func (d *Disconnect) Error() string {
	return fmt.Sprintf("the server ended the connection: %d %s", d.Code, d.Reason)
}
