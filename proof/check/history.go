// Package check decides from what publishers and clients have seen whether a
// server kept its promises: the invariants I1 to I7 of docs/explanation/delivery.md.
// It knows nothing of how the history came about.
package check

// A History is everything that was seen in one run, until all was quiet and
// every client had the time to come back.
type History struct {
	// Publishers holds what each publisher did, in its order: one message after
	// another, each settled before the next one of the same channel. One that is a
	// client as well has the same name there.
	Publishers map[string][]Publish `json:"publishers"`

	// Clients holds what each client was told, in its order.
	Clients map[string][]Event `json:"clients"`

	// Last holds the ID of each channel's last message, acked when all was quiet.
	Last map[string]string `json:"last"`
}

// An Outcome is what a publisher knows of a message in the end.
type Outcome string

// The outcomes. Indeterminate means that no answer came, not even to a retry.
const (
	Acked         Outcome = "acked"
	Failed        Outcome = "failed"
	Indeterminate Outcome = "indeterminate"
)

// A Publish is one message with what became of it. Retries of the same ID are one.
type Publish struct {
	Channel string  `json:"channel"`
	ID      string  `json:"id"` // unique in the channel
	Payload string  `json:"payload"`
	Outcome Outcome `json:"outcome"`

	// Where it is, if Acked.
	Epoch  string `json:"epoch,omitempty"`
	Offset uint64 `json:"offset,omitempty"`
}

// A Kind says what an Event is.
type Kind string

// The kinds of events, all of one channel.
const (
	// Subscribed is a subscription that begins at Epoch, Offset. The client
	// promised itself nothing of what lies before, unless Recovered says that this
	// is where it was.
	Subscribed Kind = "subscribed"

	// Delivered is a publication, with Prev, ID and Payload.
	Delivered Kind = "delivered"

	// Skipped says that what lies behind Prev up to Offset is left out on purpose: for
	// Reason "own" since the client has published it itself.
	Skipped Kind = "skipped"

	// Told says that the client was told, by the end of its subscription or before the next
	// one, that it may have missed something.
	Told Kind = "told"

	// Left is the end of a subscription that the client wanted.
	Left Kind = "left"
)

// An Event is something that a client was told.
type Event struct {
	Kind      Kind   `json:"kind"`
	Channel   string `json:"channel"`
	Epoch     string `json:"epoch,omitempty"`
	Offset    uint64 `json:"offset,omitempty"`
	Prev      uint64 `json:"prev,omitempty"`
	ID        string `json:"id,omitempty"`
	Payload   string `json:"payload,omitempty"`
	Recovered bool   `json:"recovered,omitempty"`
	Reason    string `json:"reason,omitempty"` // of Told and Skipped
}
