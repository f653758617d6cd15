package api

import (
	"bytes"
	"fmt"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// The codecs of the Connect protocol and gRPC are the usual ones, but for a bound
// on how much memory a request of few bytes can take.

// maxObjects bounds the braces in a request of protobuf's JSON: a message has
// itself, its tags and a position, and names may hold some.
const maxObjects = 16 * maxMany

// A protoCodec is protobuf's binary encoding.
type protoCodec struct{}

func (protoCodec) Name() string { return "proto" }

func (protoCodec) Marshal(m any) ([]byte, error) {
	message, err := protoMessage(m)
	if err != nil {
		return nil, err
	}
	return proto.Marshal(message)
}

func (protoCodec) Unmarshal(b []byte, m any) error {
	message, err := protoMessage(m)
	if err != nil {
		return err
	}
	if n := countFields(b); n > maxMany+maxTags {
		return fmt.Errorf("more than %d fields", maxMany)
	}
	return proto.Unmarshal(b, message)
}

// countFields returns how many fields b has on its outermost level: those of a
// list count each.
func countFields(b []byte) (n int) {
	for len(b) > 0 {
		_, _, size := protowire.ConsumeField(b)
		if size < 0 {
			return n // proto.Unmarshal will say what is wrong
		}
		b = b[size:]
		n++
	}
	return n
}

// A jsonCodec is protobuf's own JSON, under its name in content types.
type jsonCodec struct{ name string }

func (c jsonCodec) Name() string { return c.name }

func (jsonCodec) Marshal(m any) ([]byte, error) {
	message, err := protoMessage(m)
	if err != nil {
		return nil, err
	}
	return protojson.Marshal(message)
}

func (jsonCodec) Unmarshal(b []byte, m any) error {
	message, err := protoMessage(m)
	if err != nil {
		return err
	}
	if bytes.Count(b, []byte("{")) > maxObjects {
		return fmt.Errorf("more than %d objects", maxObjects)
	}
	return protojson.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(b, message)
}

func protoMessage(m any) (proto.Message, error) {
	message, ok := m.(proto.Message)
	if !ok {
		return nil, fmt.Errorf("%T is no protobuf message", m)
	}
	return message, nil
}
