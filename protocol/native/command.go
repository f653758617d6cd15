package native

import (
	"errors"
	"fmt"
	"math"
	"mime"
	"strings"

	"github.com/seed-15847954/ropewalk/hub"
)

const (
	// maxPublicationID bounds the id and the key of a publication in bytes, and
	// maxContentType the media type of its data.
	maxPublicationID = 64
	maxContentType   = 127

	// maxTags bounds the tags of a publication, and maxTag the name and the value of each
	// in bytes.
	maxTags = 16
	maxTag  = 256

	// maxCommands bounds the commands of a message, and the subscriptions of connect.
	maxCommands = 128

	// maxInfo bounds what presence says about a client, in bytes.
	maxInfo = 1 << 10

	// maxPage bounds the publications or members of a page, and defaultPage is how
	// many come when nobody says.
	maxPage     = 1000
	defaultPage = 100

	// maxID bounds the ids of commands and all offsets: what a number of JavaScript holds.
	maxID = 1<<53 - 1
)

// The names of the commands. A reply carries the same name.
const (
	connect       = "connect"
	subscribe     = "subscribe"
	unsubscribe   = "unsubscribe"
	publish       = "publish"
	history       = "history"
	presence      = "presence"
	presenceCount = "presence_count"
	rpc           = "rpc"
	refresh       = "refresh"
	ping          = "ping"
)

// A command is one command of a client, whatever its encoding was. Each name has
// those fields that docs/reference/protocol.md gives it.
type command struct {
	id   uint64 // from 1 to maxID
	name string

	// broken is why the message was none of commands: a Disconnect. There is nothing else then.
	broken error

	// err is why the body is not one of the command: an *Error.
	err error

	channel, pattern string
	from             *hub.Position
	latest, limit    uint64
	joins, reverse   bool

	message hub.Message // publish; rpc has its data here
	expect  *hub.Position

	session       string
	info          []byte
	subscriptions []command

	after, method, token string
}

// check holds the fields against what both encodings allow.
func (c *command) check(maxData int) error {
	switch c.name {
	case connect:
		return c.checkConnect()
	case subscribe, unsubscribe:
		return c.checkTarget()
	case publish:
		if err := checkChannel(c.channel); err != nil {
			return err
		}
		c.message.Channel = c.channel
		return c.checkMessage(maxData)
	case history, presence, presenceCount:
		if c.limit > math.MaxUint32 {
			return errorf(BadRequest, "limit is not below 2^32")
		}
		return checkChannel(c.channel)
	case rpc:
		if c.method == "" || len(c.method) > maxTag {
			return errorf(BadRequest, "method is not 1 to %d bytes long", maxTag)
		}
		return c.checkData(maxData)
	}
	return nil
}

func (c *command) checkConnect() error {
	if len(c.info) > maxInfo {
		return errorf(BadRequest, "info of %d bytes, the limit is %d", len(c.info), maxInfo)
	}
	if len(c.subscriptions) > maxCommands {
		return errorf(BadRequest, "%d subscriptions, the limit is %d", len(c.subscriptions), maxCommands)
	}
	for i := range c.subscriptions {
		sub := &c.subscriptions[i]
		sub.name = subscribe
		sub.err = sub.checkTarget()
	}
	return nil
}

// checkTarget is for subscribe and unsubscribe.
func (c *command) checkTarget() error {
	if (c.channel == "") == (c.pattern == "") {
		return errorf(BadRequest, "%s needs either channel or pattern", c.name)
	}
	if c.latest > math.MaxUint32 {
		return errorf(BadRequest, "latest is not below 2^32")
	}
	if c.from != nil && c.latest > 0 {
		return errorf(BadRequest, "subscribe takes from or latest, not both")
	}
	if c.pattern == "" {
		return checkChannel(c.channel)
	}
	if c.from != nil || c.latest > 0 || c.joins {
		return errorf(BadRequest, "a pattern has no from, latest or joins")
	}
	if _, err := hub.ParsePattern(c.pattern); err != nil {
		return errorf(BadPattern, "%v", err)
	}
	return nil
}

func checkChannel(name string) error {
	if err := hub.CheckChannel(name); err != nil {
		return errorf(BadChannel, "%v", err)
	}
	return nil
}

func (c *command) checkMessage(maxData int) error {
	m := &c.message
	if len(m.ID) > maxPublicationID || len(m.Key) > maxPublicationID {
		return errorf(BadRequest, "id or key of more than %d bytes", maxPublicationID)
	}
	if len(m.Tags) > maxTags {
		return errorf(BadRequest, "%d tags, the limit is %d", len(m.Tags), maxTags)
	}
	for name, value := range m.Tags {
		if len(name) > maxTag || len(value) > maxTag {
			return errorf(BadRequest, "a tag of more than %d bytes", maxTag)
		}
	}
	return c.checkData(maxData)
}

func (c *command) checkData(maxData int) error {
	m := &c.message
	if len(m.Data) > maxData {
		return errorf(DataTooBig, "data of %d bytes, the limit is %d", len(m.Data), maxData)
	}
	if m.ContentType == "" {
		return nil
	}
	_, _, err := mime.ParseMediaType(m.ContentType)
	if err != nil || !strings.Contains(m.ContentType, "/") || len(m.ContentType) > maxContentType || !printable(m.ContentType) {
		return errorf(BadRequest, "content_type is not a media type")
	}
	return nil
}

// printable reports whether s is printable ASCII, which a media type is.
func printable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// quote makes a name of the client's fit for a message: short, and printable.
func quote(name string) string {
	const most = 40
	if len(name) > most {
		name = name[:most] + "..."
	}
	return fmt.Sprintf("%+q", name)
}

// page returns how many a page has when limit is asked for.
func page(limit uint64) int {
	if limit == 0 {
		return defaultPage
	}
	return int(min(limit, maxPage))
}

// errShape is why a message is no command at all.
var errShape = errors.New("not a command")
