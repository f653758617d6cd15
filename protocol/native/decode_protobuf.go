package native

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/seed-15847954/ropewalk/hub"
	"github.com/seed-15847954/ropewalk/internal/jsonscan"
	"github.com/seed-15847954/ropewalk/protocol/native/nativepb"
)

// decode reads one message of a client. It is as strict as that of JSON: a field that
// the schema does not have is an error, for whoever sent it meant something by it.
func (protobufCodec) decode(b []byte, maxData int) ([]command, error) {
	split, err := splitCommands(b)
	if err != nil {
		return nil, BadMessage.because(fmt.Errorf("protobuf: %w", err))
	}
	commands := make([]command, 0, len(split))
	for _, one := range split {
		cmd := command{id: one.id, name: one.name, err: one.err}
		if cmd.err == nil {
			cmd.err = cmd.decodeProto(one.bytes)
		}
		if cmd.err == nil {
			cmd.err = cmd.check(maxData)
		}
		commands = append(commands, cmd)
	}
	return commands, nil
}

// decodeProto takes a command over whose fields are those of the schema.
func (c *command) decodeProto(b []byte) error {
	var m nativepb.Command
	if err := proto.Unmarshal(b, &m); err != nil {
		return errorf(BadRequest, "%s has text that is not UTF-8", c.name)
	}
	c.fromProto(&m)
	return c.checkJSON()
}

func (c *command) fromProto(m *nativepb.Command) {
	switch body := m.Command.(type) {
	case *nativepb.Command_Connect:
		c.session, c.info = body.Connect.Session, body.Connect.Info
		for _, sub := range body.Connect.Subscriptions {
			one := command{name: subscribe}
			one.fromSubscribe(sub)
			c.subscriptions = append(c.subscriptions, one)
		}
	case *nativepb.Command_Subscribe:
		c.fromSubscribe(body.Subscribe)
	case *nativepb.Command_Unsubscribe:
		c.channel, c.pattern = body.Unsubscribe.Channel, body.Unsubscribe.Pattern
	case *nativepb.Command_Publish:
		c.fromPublish(body.Publish)
	case *nativepb.Command_History:
		h := body.History
		c.channel, c.from = h.Channel, position(h.From)
		c.limit, c.reverse = uint64(h.Limit), h.Reverse
	case *nativepb.Command_Presence:
		c.channel, c.after, c.limit = body.Presence.Channel, body.Presence.After, uint64(body.Presence.Limit)
	case *nativepb.Command_PresenceCount:
		c.channel = body.PresenceCount.Channel
	case *nativepb.Command_Rpc:
		c.method = body.Rpc.Method
		c.message.Data, c.message.ContentType = body.Rpc.Data, body.Rpc.ContentType
	case *nativepb.Command_Refresh:
		c.token = body.Refresh.Token
	}
}

// checkJSON holds what has to be JSON text against its rules: nested no deeper than what
// there is room for in a command in JSON.
func (c *command) checkJSON() error {
	if len(c.info) > 0 && jsonscan.Check(c.info, maxDepth-2) != nil {
		return errorf(BadRequest, "info is not JSON")
	}
	if (c.name == publish || c.name == rpc) && c.message.ContentType == "" && jsonscan.Check(c.message.Data, maxDepth-2) != nil {
		return errorf(BadRequest, "data is not JSON, and has no content_type")
	}
	for _, pos := range []*hub.Position{c.from, c.expect} {
		if pos != nil && (pos.Epoch == "" || pos.Offset > maxID) {
			return errorf(BadRequest, "a position without epoch or with an offset above 9007199254740991")
		}
	}
	for i := range c.subscriptions {
		if err := c.subscriptions[i].checkJSON(); err != nil {
			return err
		}
	}
	return nil
}

func (c *command) fromSubscribe(m *nativepb.Subscribe) {
	c.channel, c.pattern, c.from = m.Channel, m.Pattern, position(m.From)
	c.latest, c.joins = uint64(m.Latest), m.Joins
}

func (c *command) fromPublish(m *nativepb.Publish) {
	c.channel, c.expect = m.Channel, position(m.Expect)
	c.message = hub.Message{
		ID: m.Id, Key: m.Key, Data: m.Data, ContentType: m.ContentType, ExcludeClient: m.ExcludeSelf,
	}
	if len(m.Tags) > 0 {
		c.message.Tags = m.Tags
	}
}

func position(m *nativepb.Position) *hub.Position {
	if m == nil {
		return nil
	}
	return &hub.Position{Epoch: m.Epoch, Offset: m.Offset}
}
