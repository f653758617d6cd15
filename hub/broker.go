package hub

import (
	"context"
	"errors"
)

// Errors of brokers that callers compare. A broker wraps them.
var (
	// ErrConflict means that the channel's position is not the expected one.
	// Nothing was published.
	ErrConflict = errors.New("position is not the expected one")

	// ErrIndeterminate means that nobody knows whether the message was taken.
	// Publishing it again with the same ID settles that. An error of Publish that
	// is neither this one nor the context's means that it was not taken.
	ErrIndeterminate = errors.New("the publication may or may not have been taken")
)

// A Broker keeps the channels' logs: it gives each message its position and
// hands it to every node that has subscribed to its channel.
// All methods may be called at once by many goroutines.
//
// What more a broker can do it shows by being a [Historian] or [NearHistorian], a [Locator], a [PresenceKeeper],
// a [PatternBroker] or a [Leveler].
type Broker interface {
	// Publish appends m to its channel's log and returns its position. When the
	// context ends first, the message may have been taken.
	Publish(ctx context.Context, m Message, o PublishOptions) (Published, error)

	// Subscribe has every later publication of the channel handed to sink, and
	// returns a position such that nothing behind it is missed. Publications from
	// before that position may be handed over too.
	// A second Subscribe to the same channel replaces the sink.
	Subscribe(ctx context.Context, channel string, sink Sink) (Position, error)

	// Unsubscribe ends that. Once it has returned without an error, the sink is
	// not called any more.
	Unsubscribe(ctx context.Context, channel string) error
}

// PublishOptions say how a message is published.
type PublishOptions struct {
	// Options are those of the channel.
	*Options

	// Expect, unless nil, is the position of the channel's last publication; at any
	// other one the message is refused with ErrConflict, and what Publish returns has that
	// position. Its ID is looked up first.
	Expect *Position
}

// Published says where a message is in its channel's log.
type Published struct {
	Position

	// Duplicate says that the ID was known. Nothing new was published, and
	// Position is that of the first time.
	Duplicate bool
}

// A Sink takes what happens in one channel from a broker. Its methods are called
// one at a time, possibly before Subscribe has returned. They do not block and do not
// call the broker.
type Sink interface {
	// Deliver is called in the order of the log. A Prev that is not the offset
	// before means that publications did not get here.
	Deliver(p *Publication)

	// Moved is called when the log has begun another life in which nothing was published that would say so. It goes
	// on behind pos.
	Moved(pos Position)

	// Change is called for each join and leave, of brokers that keep presence.
	Change(c *PresenceChange)
}

// A Historian is a Broker that keeps what was published, as far as the channel's
// options say.
type Historian interface {
	// History returns a part of a channel's log. The error is the context's, or says
	// why the log cannot be read; a channel without a log has an empty page at its
	// present position.
	History(ctx context.Context, channel string, q Query) (Page, error)
}

// A NearHistorian is a Historian that keeps what was published in the memory of this
// process. The hub keeps no publications of its own then, and reads as often as it is asked.
type NearHistorian interface {
	Historian

	// Near does nothing.
	Near()
}

// A Locator is a Broker whose nodes may have different positions for the same place of a channel's log,
// where nothing was published for long.
type Locator interface {
	// Locate returns the position of this node that from stands for: nothing of the channel lies between
	// the two. Where it does not know that it returns from.
	Locate(ctx context.Context, channel string, from Position) (Position, error)
}

// A Query asks for a part of a log.
type Query struct {
	// From, unless nil, is where to begin: a page forward holds what lies
	// behind it, a reverse one what lies up to it, itself included. Its epoch is
	// compared by whoever asks: where it is not that of the log the
	// page is empty. Nil is the oldest end of the log, or the newest if Reverse.
	From *Position

	// Limit bounds the number of publications. It is at least 1.
	Limit int

	// Reverse has the newest come first.
	Reverse bool
}

// A Page is a part of a log.
type Page struct {
	// Top is the position of the last publication, even if that is not kept
	// any more, at the time of the reading.
	Top Position

	// Publications are in the order of the log, or the opposite one. Each one's
	// Prev tells whether something was forgotten in front of it.
	Publications []*Publication

	// More says that the log goes on in that direction.
	More bool
}

// A PresenceKeeper is a Broker that keeps who is in a channel.
type PresenceKeeper interface {
	// Enter adds m to a channel, or replaces the member of the same Client. When it
	// was not there, every sink of the channel is told of its join if joins is true.
	Enter(ctx context.Context, channel string, m Member, joins bool) error

	// Leave removes the member. When it was there, every sink of the channel is told.
	Leave(ctx context.Context, channel, client string, joins bool) error

	// Members returns up to limit members in the order of Client, from
	// behind after on, and whether there are more.
	Members(ctx context.Context, channel, after string, limit int) (members []Member, more bool, err error)

	// Count returns how many clients are in the channel, and how many users they
	// are; clients without a user count as one user each.
	Count(ctx context.Context, channel string) (clients, users int, err error)
}

// A PatternBroker is a Broker that can hand over the publications of every
// channel that matches a pattern.
type PatternBroker interface {
	// SubscribePattern has the later publications of all matching channels handed to
	// sink, each channel's in its order. Nothing is promised about those around the
	// time of a fault. Sinks of patterns are called at once for different channels.
	SubscribePattern(ctx context.Context, p Pattern, sink Sink) error

	// UnsubscribePattern ends that.
	UnsubscribePattern(ctx context.Context, p Pattern) error
}

// A Leveler is a Broker that knows what it can promise.
type Leveler interface {
	// Level returns what was found when the broker was opened, or later. It does not block.
	Level() Level
}

// A Level says what a broker promises, the way it is set up.
type Level struct {
	// Acked says where a publication is when it is acknowledged, such as "on the disk of one
	// server".
	Acked string

	// Warnings say each in a line what of the set-up may lose what was acknowledged, and
	// what to set instead.
	Warnings []string
}

// A Subscriber is one receiver of what happens in a channel. Its methods are
// called one at a time for each channel. They must not block and must not call the
// hub: a subscriber that cannot keep up bounds its own queue.
//
// A call that was under way when Unsubscribe was called may arrive after it
// returned. A Subscriber is compared with ==.
type Subscriber interface {
	// Deliver is called for each publication in the order of the log, each
	// one's Prev being the offset before it.
	Deliver(p *Publication)

	// Change is called for each join and leave.
	Change(c *PresenceChange)

	// Lost is called when publications are missing and history cannot fill the gap, or
	// when the epoch has changed. The subscriber is not subscribed any more; it may
	// subscribe again, from the position that it knows, to be told what became of it.
	Lost(cause error)
}
