package native

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/seed-15847954/ropewalk/hub"
	"github.com/seed-15847954/ropewalk/protocol/native/nativepb"
)

// toProto returns a command as a client has it in Protocol Buffers: the opposite of
// what decoding does, written for tests.
func toProto(c command) *nativepb.Command {
	m := &nativepb.Command{Id: c.id}
	switch c.name {
	case connect:
		body := &nativepb.Connect{Session: c.session, Info: c.info}
		for _, sub := range c.subscriptions {
			body.Subscriptions = append(body.Subscriptions, subscribeProto(sub))
		}
		m.Command = &nativepb.Command_Connect{Connect: body}
	case subscribe:
		m.Command = &nativepb.Command_Subscribe{Subscribe: subscribeProto(c)}
	case unsubscribe:
		m.Command = &nativepb.Command_Unsubscribe{Unsubscribe: &nativepb.Unsubscribe{Channel: c.channel, Pattern: c.pattern}}
	case publish:
		m.Command = &nativepb.Command_Publish{Publish: &nativepb.Publish{
			Channel: c.channel, Id: c.message.ID, Key: c.message.Key, Tags: c.message.Tags, Data: c.message.Data,
			ContentType: c.message.ContentType, Expect: positionProto(c.expect), ExcludeSelf: c.message.ExcludeClient,
		}}
	case history:
		m.Command = &nativepb.Command_History{History: &nativepb.History{
			Channel: c.channel, From: positionProto(c.from), Limit: uint32(c.limit), Reverse: c.reverse,
		}}
	case presence:
		m.Command = &nativepb.Command_Presence{Presence: &nativepb.Presence{Channel: c.channel, After: c.after, Limit: uint32(c.limit)}}
	case presenceCount:
		m.Command = &nativepb.Command_PresenceCount{PresenceCount: &nativepb.PresenceCount{Channel: c.channel}}
	case rpc:
		m.Command = &nativepb.Command_Rpc{Rpc: &nativepb.Rpc{Method: c.method, Data: c.message.Data, ContentType: c.message.ContentType}}
	case refresh:
		m.Command = &nativepb.Command_Refresh{Refresh: &nativepb.Refresh{Token: c.token}}
	case ping:
		m.Command = &nativepb.Command_Ping{Ping: &nativepb.Ping{}}
	}
	return m
}

func subscribeProto(c command) *nativepb.Subscribe {
	return &nativepb.Subscribe{
		Channel: c.channel, Pattern: c.pattern, From: positionProto(c.from), Latest: uint32(c.latest), Joins: c.joins,
	}
}

func positionProto(pos *hub.Position) *nativepb.Position {
	if pos == nil {
		return nil
	}
	return &nativepb.Position{Epoch: pos.Epoch, Offset: pos.Offset}
}

// marshalCommands returns a message of a client.
func marshalCommands(t *testing.T, commands ...command) []byte {
	t.Helper()
	var all nativepb.Commands
	for _, c := range commands {
		all.Commands = append(all.Commands, toProto(c))
	}
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(&all)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// toJSON returns a command as a client has it in JSON.
func toJSON(t *testing.T, c command) []byte {
	t.Helper()
	body := bodyJSON(c)
	if len(c.info) > 0 {
		body["info"] = json.RawMessage(c.info)
	}
	var subscriptions []map[string]any
	for _, sub := range c.subscriptions {
		subscriptions = append(subscriptions, bodyJSON(sub))
	}
	if subscriptions != nil {
		body["subscriptions"] = subscriptions
	}
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	if (c.name == publish || c.name == rpc) && c.message.ContentType == "" {
		// Marshal would write the data in its own way. There is a channel or method before it.
		text = fmt.Appendf(text[:len(text)-1], `,"data":%s}`, c.message.Data)
	}
	return fmt.Appendf(nil, `{"id":%d,"%s":%s}`, c.id, c.name, text)
}

// bodyJSON returns the members of a body, but for what toJSON adds.
func bodyJSON(c command) map[string]any {
	m := c.message
	body := map[string]any{
		"channel": c.channel, "pattern": c.pattern, "latest": c.latest, "limit": c.limit, "joins": c.joins,
		"reverse": c.reverse, "session": c.session, "after": c.after, "method": c.method, "token": c.token,
		"id": m.ID, "key": m.Key, "exclude_self": m.ExcludeClient,
	}
	maps.DeleteFunc(body, func(_ string, v any) bool { return reflect.ValueOf(v).IsZero() })
	if m.Tags != nil {
		body["tags"] = m.Tags
	}
	for name, pos := range map[string]*hub.Position{"from": c.from, "expect": c.expect} {
		if pos != nil {
			body[name] = map[string]any{"epoch": pos.Epoch, "offset": pos.Offset}
		}
	}
	if m.ContentType != "" {
		body["base64"], body["content_type"] = base64.StdEncoding.EncodeToString(m.Data), m.ContentType
	}
	return body
}

// jsonOf returns what the JSON of a message of the server holds, without what is zero,
// which Protocol Buffers do not tell from what is absent.
func jsonOf(t *testing.T, b []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatalf("%q is not JSON: %v", b, err)
	}
	return strip(v)
}

// protoJSON returns the same of a message in Protocol Buffers, by way of its schema.
func protoJSON(t *testing.T, b []byte) any {
	t.Helper()
	var e nativepb.Event
	if err := proto.Unmarshal(b, &e); err != nil {
		t.Fatalf("%x is no Event: %v", b, err)
	}
	members := membersOf(t, e.ProtoReflect())
	if r, ok := members["reply"].(map[string]any); ok {
		return strip(r)
	}
	return strip(members)
}

func membersOf(t *testing.T, m protoreflect.Message) map[string]any {
	t.Helper()
	members := make(map[string]any)
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		name := string(f.Name())
		switch {
		case f.IsMap():
			tags := make(map[string]any)
			v.Map().Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
				tags[k.String()] = v.String()
				return true
			})
			members[name] = tags
		case f.IsList():
			var all []any
			for i := range v.List().Len() {
				all = append(all, membersOf(t, v.List().Get(i).Message()))
			}
			members[name] = all
		case f.Kind() == protoreflect.MessageKind:
			members[name] = membersOf(t, v.Message())
		case f.Kind() == protoreflect.BytesKind:
			contentType := m.Descriptor().Fields().ByName("content_type")
			if contentType != nil && m.Has(contentType) {
				members["base64"] = v.Bytes()
				break
			}
			var value any
			if err := json.Unmarshal(v.Bytes(), &value); err != nil {
				t.Fatalf("%s is not JSON: %q", f.FullName(), v.Bytes())
			}
			members[name] = value
		default:
			members[name] = v.Interface()
		}
		return true
	})
	// A round trip through JSON makes all numbers and bytes alike.
	b, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	var alike map[string]any
	if err := json.Unmarshal(b, &alike); err != nil {
		t.Fatal(err)
	}
	return alike
}

// strip takes zero values out, but for data and info, whose zeros mean something,
// and for the members that say by being there.
func strip(v any) any {
	members, ok := v.(map[string]any)
	if !ok {
		if all, ok := v.([]any); ok {
			for i := range all {
				all[i] = strip(all[i])
			}
		}
		return v
	}
	for name, value := range members {
		zero := value == nil || value == "" || value == false || value == 0.0 || reflect.DeepEqual(value, []any{}) ||
			reflect.DeepEqual(value, map[string]any{}) && name == "tags"
		switch {
		case name == "data" || name == "info":
		case zero && name != "recovered":
			delete(members, name)
		default:
			members[name] = strip(value)
		}
	}
	return members
}
