package client_test

import (
	"encoding/json"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/seed-15847954/ropewalk/protocol/native/nativepb"
)

// bytesOf turns a value of the protocol's JSON into one of the JSON of Protocol
// Buffers: where this has bytes the other has JSON values, or base64 in a member of
// another name.
func bytesOf(t *testing.T, value any) any {
	t.Helper()
	switch v := value.(type) {
	case []any:
		for i := range v {
			v[i] = bytesOf(t, v[i])
		}
	case map[string]any:
		for name, member := range v {
			switch name {
			case "data", "info":
				b, err := json.Marshal(member)
				if err != nil {
					t.Error(err)
				}
				v[name] = b
			case "base64":
				delete(v, name)
				v["data"] = member
			default:
				v[name] = bytesOf(t, member)
			}
		}
	}
	return value
}

// fill reads a message from the protocol's JSON. Members that it does not know are
// passed over.
func fill(t *testing.T, object map[string]any, m proto.Message) {
	t.Helper()
	b, err := json.Marshal(bytesOf(t, object))
	if err == nil {
		err = protojson.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(b, m)
	}
	if err != nil {
		t.Errorf("%v as a message: %v", object, err)
	}
}

func object(t *testing.T, text string) (m map[string]any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Errorf("%s: %v", text, err)
	}
	return m
}

// eventProto encodes what the server sends.
func eventProto(t *testing.T, text string) []byte {
	t.Helper()
	m := object(t, text)
	if _, ok := m["id"]; ok {
		m = map[string]any{"reply": m}
	}
	var e nativepb.Event
	fill(t, m, &e)
	b, err := proto.Marshal(&e)
	if err != nil {
		t.Error(err)
	}
	return b
}

// expectProto wants b to be one command, and returns its id. It compares data as the
// values that the JSON in it means.
func expectProto(t *testing.T, b []byte, name, body string) uint64 {
	t.Helper()
	var got nativepb.Commands
	if err := proto.Unmarshal(b, &got); err != nil || len(got.GetCommands()) != 1 {
		t.Errorf("%x is not one command: %v", b, err)
		return 0
	}
	id := got.GetCommands()[0].GetId()
	var want nativepb.Command
	fill(t, map[string]any{"id": id, name: object(t, body)}, &want)
	compact(t, got.GetCommands()[0])
	if !proto.Equal(got.GetCommands()[0], &want) {
		t.Errorf("command %v, want %v", got.GetCommands()[0], &want)
	}
	return id
}

// compact brings JSON that a client publishes into the form that fill has.
func compact(t *testing.T, c *nativepb.Command) {
	t.Helper()
	p := c.GetPublish()
	if p == nil || p.GetContentType() != "" {
		return
	}
	var value any
	err := json.Unmarshal(p.GetData(), &value)
	if err == nil {
		p.Data, err = json.Marshal(value)
	}
	if err != nil {
		t.Errorf("data %s: %v", p.GetData(), err)
	}
}
