package session

import "github.com/seed-15847954/ropewalk/hub"

// A Transport carries packets to one client. None of its methods but Close blocks.
type Transport interface {
	// Send takes p to send it behind what it has taken before, and returns true. When
	// it has no room it returns false, has not taken p, and calls Session.Ready
	// once there is room. It is called by one goroutine at a time, with locks of the
	// session held: it does not call the session.
	Send(p hub.Packet) bool

	// Close tells the client why its session ends, as far as that can still be
	// sent, and ends the connection. It is called once and blocks for a few
	// seconds at most.
	Close(cause error)

	// Abort ends the connection at once. It may be called at any time.
	Abort()
}

// A Codec encodes what sessions tell their clients of their own accord, as packets
// that the Transport understands. A codec is used by many goroutines at once.
type Codec interface {
	// Format names the wire format. Two codecs of the same name encode alike.
	Format() hub.Format

	// Publication returns p as it goes to the subscribers of its channel, or to those
	// of a pattern if that is not empty.
	Publication(p *hub.Publication, pattern string) hub.Packet

	// Skip says that what lies behind prev in a channel, up to pos, is left out.
	Skip(channel string, prev uint64, pos hub.Position, reason SkipReason) hub.Packet

	// Change is a join or a leave.
	Change(c *hub.PresenceChange) hub.Packet

	// Subscribed says that the server has made a subscription, and where that begins.
	Subscribed(t Target, st Start) hub.Packet

	// Unsubscribed says that a subscription was ended, and why.
	Unsubscribed(t Target, cause error) hub.Packet

	// Message is data for this client alone.
	Message(data []byte, contentType string) hub.Packet
}

// A SkipReason says why publications are left out.
type SkipReason string

// The reasons.
const (
	SkipOwn       SkipReason = "own"       // published with ExcludeClient by this client
	SkipDropped   SkipReason = "dropped"   // hub.DropOldest
	SkipConflated SkipReason = "conflated" // hub.Conflate
	SkipLatest    SkipReason = "latest"    // hub.Latest
)
