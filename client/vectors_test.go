package client

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"
)

// A vector is a message in both encodings. The tests of protocol/native keep them.
type vector struct {
	Name, Direction, JSON, Protobuf string
}

func vectors(t *testing.T, direction string) (found []vector) {
	t.Helper()
	b, err := os.ReadFile("../protocol/native/testdata/vectors/" + direction + ".json")
	if err == nil {
		err = json.Unmarshal(b, &found)
	}
	if err != nil || len(found) == 0 {
		t.Fatalf("vectors: %d, %v", len(found), err)
	}
	return found
}

func (v *vector) bytes(t *testing.T) []byte {
	t.Helper()
	b, err := hex.DecodeString(v.Protobuf)
	if err != nil {
		t.Fatalf("%s: %v", v.Name, err)
	}
	return b
}

// Both codecs make the commands that the vectors have. The client has no refresh.
func TestEncodeVectors(t *testing.T) {
	bodies := map[string]func() any{
		"connect":        func() any { return new(connectRequest) },
		"subscribe":      func() any { return new(subscribeRequest) },
		"unsubscribe":    func() any { return new(unsubscribeRequest) },
		"publish":        func() any { return new(publishRequest) },
		"history":        func() any { return new(historyRequest) },
		"presence":       func() any { return new(presenceRequest) },
		"presence_count": func() any { return new(presenceCountRequest) },
		"rpc":            func() any { return new(rpcRequest) },
		"ping":           func() any { return new(pingRequest) },
	}
	for _, v := range vectors(t, "client") {
		var members map[string]json.RawMessage
		if err := json.Unmarshal([]byte(v.JSON), &members); err != nil {
			t.Fatalf("%s: %v", v.Name, err)
		}
		var c command
		for name, value := range members {
			switch {
			case name == "id":
				c.id = read[uint64](t, value)
			case bodies[name] != nil:
				body := bodies[name]()
				if err := json.Unmarshal(value, body); err != nil {
					t.Fatalf("%s: %v", v.Name, err)
				}
				c.name, c.body = name, reflect.ValueOf(body).Elem().Interface()
			case name != "refresh":
				t.Errorf("%s: the client has no command %s", v.Name, name)
			}
		}
		if c.body == nil {
			continue
		}
		text, err := jsonCodec{}.encode(&c)
		if err != nil || !reflect.DeepEqual(read[any](t, text), read[any](t, []byte(v.JSON))) {
			t.Errorf("%s: JSON is %s, %v, want %s", v.Name, text, err, v.JSON)
		}
		binary, err := protobufCodec{}.encode(&c)
		if err != nil || !bytes.Equal(binary, v.bytes(t)) {
			t.Errorf("%s: Protocol Buffers are %x, %v, want %s", v.Name, binary, err, v.Protobuf)
		}
	}
}

// Both codecs understand the messages of the server that the vectors have, and take them
// for the same.
func TestDecodeVectors(t *testing.T) {
	for _, v := range vectors(t, "server") {
		text, err := jsonCodec{}.decode([]byte(v.JSON))
		if err != nil {
			t.Fatalf("%s: %v", v.Name, err)
		}
		binary, err := protobufCodec{}.decode(v.bytes(t))
		if err != nil {
			t.Fatalf("%s: %v", v.Name, err)
		}
		if got, want := show(t, binary), show(t, text); got != want {
			t.Errorf("%s: Protocol Buffers mean %s, JSON means %s", v.Name, got, want)
		}
		if show(t, text) == show(t, new(message)) {
			t.Errorf("%s: nothing of %s was understood", v.Name, v.JSON)
		}
	}
}

// A message that is none is an error.
func TestDecodeRefuses(t *testing.T) {
	if m, err := (jsonCodec{}).decode([]byte(`{"id":"x"}`)); err == nil {
		t.Errorf("decode = %+v, want an error", m)
	}
	if m, err := (protobufCodec{}).decode([]byte{0xff}); err == nil {
		t.Errorf("decode = %+v, want an error", m)
	}
	if b, err := (protobufCodec{}).encode(&command{name: "publish", body: publishRequest{Channel: "\xff"}}); err == nil {
		t.Errorf("encode of no UTF-8 = %x, want an error", b)
	}
}

// show writes a message out. There is no difference between no list and an empty one.
func show(t *testing.T, m *message) string {
	t.Helper()
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(b), ":[]", ":null")
}

func read[T any](t *testing.T, text []byte) (v T) {
	t.Helper()
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}
