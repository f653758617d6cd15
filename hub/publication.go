package hub

import (
	"fmt"
	"time"
	"unicode/utf8"
)

// A Position is a place in a channel's log: just behind the publication with
// that offset. An epoch is one life of the log; positions of different epochs
// cannot be compared.
type Position struct {
	// Epoch names the life of the log. It is opaque and never empty.
	Epoch string

	// Offset rises with every publication of the channel but need not be dense,
	// so that a gap is found by [Publication.Prev] and never by counting.
	// It stays below 2^53, which a JavaScript number holds exactly.
	Offset uint64
}

// A Message is what a publisher hands in. Nobody changes what it holds any more.
type Message struct {
	// Channel is the channel's name, as [CheckChannel] allows it.
	Channel string

	// ID is the name that the publisher gives its message, or empty. A second
	// message of the same ID within [Options.Dedup] is the same message.
	// Subscribers see it as it came.
	ID string

	// Key says which messages supersede one another where only the last one of a
	// key matters ([Conflate]). Empty is a key like any other.
	Key string

	// Tags are for the subscribers, who see them as they came. Nil means none.
	Tags map[string]string

	// Data is the payload: JSON text, or anything when ContentType is set.
	Data []byte

	// ContentType is the media type of Data. Empty means application/json.
	ContentType string

	// Client is the public name of the client that published, empty for a back end.
	Client string

	// ExcludeClient keeps the publication from Client's own subscriptions.
	ExcludeClient bool
}

// checkText returns ErrText where m has text that is not UTF-8, and says where.
func (m *Message) checkText() error {
	for _, part := range []struct{ name, text string }{
		{"id", m.ID}, {"key", m.Key}, {"content type", m.ContentType}, {"client", m.Client},
	} {
		if !utf8.ValidString(part.text) {
			return fmt.Errorf("%s: %w", part.name, ErrText)
		}
	}
	for name, value := range m.Tags {
		if !utf8.ValidString(name) || !utf8.ValidString(value) {
			return fmt.Errorf("tags: %w", ErrText)
		}
	}
	if m.ContentType == "" && !utf8.Valid(m.Data) {
		return fmt.Errorf("data without a content type: %w", ErrText)
	}
	return nil
}

// A Publication is a message that has its place in a channel's log. It is shared
// by all who receive it: nobody changes it, and it must not be copied.
type Publication struct {
	Message
	Position

	// Prev is the offset of the publication before this one in the same channel
	// and epoch, or the position where the log began. A subscriber whose last
	// offset is a different one has missed something.
	Prev uint64

	// Time is when the broker took the message.
	Time time.Time

	encodings
}

// A Member is a client that is present in a channel.
type Member struct {
	// Client is its public name, which nobody else has.
	Client string

	// User is who it is, or empty. One user may be present as several clients.
	User string

	// Info is JSON text about it, or empty.
	Info []byte
}

// A PresenceChange is a join or a leave. It is shared by all who are told of it:
// nobody changes it, and it must not be copied.
type PresenceChange struct {
	Channel string
	Member  Member
	Left    bool // else joined

	encodings
}
