package native

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"

	"github.com/seed-15847954/ropewalk/hub"
	"github.com/seed-15847954/ropewalk/internal/jsonscan"
)

// maxDepth is how deep the arrays and objects of a message may be nested.
const maxDepth = 64

// decode reads one message of a client: a command, or an array of commands. The error is a Disconnect when b is no command at all; what
// is wrong with a body alone is in command.err.
func (jsonCodec) decode(b []byte, maxData int) ([]command, error) {
	if err := jsonscan.Check(b, maxDepth); err != nil {
		return nil, BadMessage.because(err)
	}
	var commands []command
	one := func(b []byte) error {
		if len(commands) == maxCommands {
			return fmt.Errorf("more than %d commands", maxCommands)
		}
		cmd, body, err := decodeEnvelope(b)
		if err != nil {
			return err
		}
		cmd.err = cmd.decodeJSON(body)
		if cmd.err == nil {
			cmd.err = cmd.check(maxData)
		}
		commands = append(commands, cmd)
		return nil
	}
	err := jsonscan.Elements(b, one)
	if errors.Is(err, jsonscan.ErrType) {
		err = one(b)
	}
	if err == nil && len(commands) == 0 {
		err = errors.New("no command")
	}
	if err != nil {
		return nil, BadMessage.because(err)
	}
	return commands, nil
}

// decodeEnvelope reads {"id":1,"name":body}.
func decodeEnvelope(b []byte) (cmd command, body []byte, err error) {
	err = jsonscan.Members(b, func(name string, value []byte) error {
		switch {
		case name == "id":
			id, err := jsonscan.Uint(value)
			if err != nil || id == 0 {
				return errors.New("id is not a whole number from 1 to 9007199254740991")
			}
			cmd.id = id
			return nil
		case body != nil:
			return errors.New("more than one command")
		}
		cmd.name, body = name, value
		return nil
	})
	switch {
	case errors.Is(err, jsonscan.ErrType):
		err = errors.New("not an object")
	case errors.Is(err, jsonscan.ErrDuplicate):
		err = errors.New("member given twice")
	case err == nil && cmd.id == 0:
		err = errors.New("no id")
	case err == nil && body == nil:
		err = errors.New("no command")
	}
	return cmd, body, err
}

// fields says which members the body of each command has.
var fields = map[string][]string{
	connect:       {"session", "subscriptions", "info"},
	subscribe:     {"channel", "pattern", "from", "latest", "joins"},
	unsubscribe:   {"channel", "pattern"},
	publish:       {"channel", "id", "key", "tags", "data", "base64", "content_type", "expect", "exclude_self"},
	history:       {"channel", "from", "limit", "reverse"},
	presence:      {"channel", "after", "limit"},
	presenceCount: {"channel"},
	rpc:           {"method", "data", "base64", "content_type"},
	refresh:       {"token"},
	ping:          {},
}

func (c *command) decodeJSON(body []byte) error {
	allowed, ok := fields[c.name]
	if !ok {
		return errorf(UnknownCommand, "there is no command %s", quote(c.name))
	}
	g := given{name: c.name, members: make(map[string][]byte, len(allowed))}
	if err := g.read(body, allowed); err != nil {
		return err
	}
	c.fill(&g)
	return g.err
}

// fill takes the members of the body over.
func (c *command) fill(g *given) {
	c.channel, c.pattern = g.text("channel"), g.text("pattern")
	c.from, c.expect = g.position("from"), g.position("expect")
	c.latest, c.limit = g.number("latest"), g.number("limit")
	c.joins, c.reverse = g.bool("joins"), g.bool("reverse")
	c.session, c.after, c.method, c.token = g.text("session"), g.text("after"), g.text("method"), g.text("token")
	c.info = bytes.Clone(g.members["info"])
	m := &c.message
	m.ID, m.Key, m.ExcludeClient = g.text("id"), g.text("key"), g.bool("exclude_self")
	m.Tags = g.tags("tags")
	if c.name == publish || c.name == rpc {
		m.Data, m.ContentType = g.data()
	}
	if b, ok := g.members["subscriptions"]; ok {
		c.subscriptions = g.subscriptions(b)
	}
}

// given are the members of a body. The first error is kept.
type given struct {
	name    string // of the command
	members map[string][]byte
	err     error
}

func (g *given) read(body []byte, allowed []string) *Error {
	err := jsonscan.Members(body, func(name string, value []byte) error {
		if !slices.Contains(allowed, name) {
			return errorf(BadRequest, "%s has no member %s", g.name, quote(name))
		}
		g.members[name] = value
		return nil
	})
	var known *Error
	switch {
	case errors.As(err, &known):
		return known
	case errors.Is(err, jsonscan.ErrType):
		return errorf(BadRequest, "%s is not an object", g.name)
	case err != nil:
		return errorf(BadRequest, "%s: %v", g.name, err)
	}
	return nil
}

func (g *given) fail(format string, args ...any) {
	if g.err == nil {
		g.err = errorf(BadRequest, format, args...)
	}
}

// text returns a string, empty where it is missing.
func (g *given) text(name string) string {
	value, ok := g.members[name]
	if !ok {
		return ""
	}
	s, err := jsonscan.String(value)
	if err != nil {
		g.fail("%s is not a string", name)
	}
	return s
}

func (g *given) number(name string) uint64 {
	value, ok := g.members[name]
	if !ok {
		return 0
	}
	n, err := jsonscan.Uint(value)
	if err != nil {
		g.fail("%s is not a whole number from 0 to 9007199254740991", name)
	}
	return n
}

func (g *given) bool(name string) bool {
	value, ok := g.members[name]
	if ok && string(value) != "true" && string(value) != "false" {
		g.fail("%s is not true or false", name)
	}
	return string(value) == "true"
}

func (g *given) position(name string) *hub.Position {
	value, ok := g.members[name]
	if !ok {
		return nil
	}
	inner := given{name: name, members: make(map[string][]byte, 2)}
	if err := inner.read(value, []string{"epoch", "offset"}); err != nil {
		g.fail("%s", err.Message)
		return nil
	}
	pos := &hub.Position{Epoch: inner.text("epoch"), Offset: inner.number("offset")}
	if inner.err != nil || pos.Epoch == "" {
		g.fail("%s is not a position", name)
	}
	return pos
}

func (g *given) tags(name string) map[string]string {
	value, ok := g.members[name]
	if !ok {
		return nil
	}
	tags := make(map[string]string)
	err := jsonscan.Members(value, func(tag string, value []byte) (err error) {
		if len(tags) > maxTags {
			return errorf(BadRequest, "more than %d tags", maxTags)
		}
		tags[tag], err = jsonscan.String(value)
		return err
	})
	if err != nil {
		g.fail("%s is not an object of strings, at most %d", name, maxTags)
	}
	if len(tags) == 0 {
		return nil
	}
	return tags
}

// data returns data, or else base64 with content_type.
func (g *given) data() (b []byte, contentType string) {
	b, isJSON := g.members["data"]
	_, isBase64 := g.members["base64"]
	_, hasType := g.members["content_type"]
	if isJSON == isBase64 || isBase64 != hasType {
		g.fail("%s needs either data, or base64 and content_type", g.name)
		return nil, ""
	}
	if !isBase64 {
		return bytes.Clone(b), ""
	}
	b, err := base64.StdEncoding.Strict().DecodeString(g.text("base64"))
	if err != nil {
		g.fail("base64 is not standard base64 with padding")
	}
	if len(b) == 0 {
		b = nil // as in the other encoding
	}
	contentType = g.text("content_type")
	if contentType == "" {
		g.fail("content_type is not a media type")
	}
	return b, contentType
}

func (g *given) subscriptions(b []byte) []command {
	var all []command
	err := jsonscan.Elements(b, func(b []byte) error {
		if len(all) > maxCommands {
			return errShape
		}
		sub := command{name: subscribe}
		if err := sub.decodeJSON(b); err != nil {
			return err
		}
		all = append(all, sub)
		return nil
	})
	var known *Error
	switch {
	case errors.As(err, &known):
		g.fail("subscriptions: %s", known.Message)
	case err != nil:
		g.fail("subscriptions is not an array of at most %d objects", maxCommands)
	}
	return all
}
