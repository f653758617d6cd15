package native

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/seed-15847954/ropewalk/hub"
	"github.com/seed-15847954/ropewalk/internal/jsonscan"
	"github.com/seed-15847954/ropewalk/protocol/native/nativepb"
)

// decode reads one message of a client. It is as strict as that of JSON: a field that
// the schema does not have is an error, for whoever sent it meant something by it.
func (protobufCodec) decode(b []byte, maxData int) ([]command, error) {
	var all nativepb.Commands
	if err := proto.Unmarshal(b, &all); err != nil {
		return nil, BadMessage.because(errors.New("Protocol Buffers: malformed"))
	}
	switch {
	case len(all.ProtoReflect().GetUnknown()) > 0:
		return nil, BadMessage.because(errors.New("unknown field"))
	case len(all.Commands) == 0:
		return nil, BadMessage.because(errors.New("no command"))
	case len(all.Commands) > maxCommands:
		return nil, BadMessage.because(fmt.Errorf("more than %d commands", maxCommands))
	}
	commands := make([]command, 0, len(all.Commands))
	for _, m := range all.Commands {
		cmd, err := fromProto(m)
		if err != nil {
			return nil, BadMessage.because(err)
		}
		if cmd.err == nil {
			cmd.err = cmd.check(maxData)
		}
		commands = append(commands, cmd)
	}
	return commands, nil
}

// fromProto takes a command over. The error is for what is no command at all.
func fromProto(m *nativepb.Command) (command, error) {
	c := command{id: m.Id}
	switch {
	case m.Id == 0 || m.Id > maxID:
		return c, errors.New("id is not a whole number from 1 to 9007199254740991")
	case len(m.ProtoReflect().GetUnknown()) > 0:
		if m.Command != nil {
			return c, errors.New("unknown field")
		}
		c.err = errorf(UnknownCommand, "there is no such command")
		return c, nil
	}
	switch body := m.Command.(type) {
	case *nativepb.Command_Connect:
		c.name, c.session, c.info = connect, body.Connect.Session, body.Connect.Info
		for _, sub := range body.Connect.Subscriptions {
			c.subscriptions = append(c.subscriptions, subscription(sub))
		}
	case *nativepb.Command_Subscribe:
		id := c.id
		c = subscription(body.Subscribe)
		c.id = id
	case *nativepb.Command_Unsubscribe:
		c.name, c.channel, c.pattern = unsubscribe, body.Unsubscribe.Channel, body.Unsubscribe.Pattern
	case *nativepb.Command_Publish:
		c.fromPublish(body.Publish)
	case *nativepb.Command_History:
		h := body.History
		c.name, c.channel, c.from = history, h.Channel, position(h.From)
		c.limit, c.reverse = uint64(h.Limit), h.Reverse
	case *nativepb.Command_Presence:
		c.name, c.channel = presence, body.Presence.Channel
		c.after, c.limit = body.Presence.After, uint64(body.Presence.Limit)
	case *nativepb.Command_PresenceCount:
		c.name, c.channel = presenceCount, body.PresenceCount.Channel
	case *nativepb.Command_Rpc:
		c.name, c.method = rpc, body.Rpc.Method
		c.message.Data, c.message.ContentType = body.Rpc.Data, body.Rpc.ContentType
	case *nativepb.Command_Refresh:
		c.name, c.token = refresh, body.Refresh.Token
	case *nativepb.Command_Ping:
		c.name = ping
	default:
		return c, errors.New("no command")
	}
	if hasUnknown(m.ProtoReflect()) {
		c.err = errorf(BadRequest, "%s has an unknown field", c.name)
		return c, nil
	}
	c.err = c.checkJSON()
	return c, nil
}

// checkJSON holds what has to be JSON text against its rules.
func (c *command) checkJSON() error {
	if len(c.info) > 0 && jsonscan.Check(c.info, maxDepth) != nil {
		return errorf(BadRequest, "info is not JSON")
	}
	if (c.name == publish || c.name == rpc) && c.message.ContentType == "" && jsonscan.Check(c.message.Data, maxDepth) != nil {
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

func subscription(m *nativepb.Subscribe) command {
	return command{
		name: subscribe, channel: m.GetChannel(), pattern: m.GetPattern(), from: position(m.GetFrom()),
		latest: uint64(m.GetLatest()), joins: m.GetJoins(),
	}
}

func (c *command) fromPublish(m *nativepb.Publish) {
	c.name, c.channel, c.expect = publish, m.Channel, position(m.Expect)
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

// hasUnknown reports whether m or a message in it has a field that the schema lacks.
func hasUnknown(m protoreflect.Message) bool {
	if len(m.GetUnknown()) > 0 {
		return true
	}
	found := false
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.Message() == nil || f.IsMap():
		case f.IsList():
			for i := range v.List().Len() {
				found = found || hasUnknown(v.List().Get(i).Message())
			}
		default:
			found = found || hasUnknown(v.Message())
		}
		return !found
	})
	return found
}
