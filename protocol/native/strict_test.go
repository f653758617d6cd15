package native

import (
	"errors"
	"slices"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// pb builds Protocol Buffers that no generated code would make. Numbers become
// varints, text and bytes become fields with a length.
func pb(fields ...any) []byte {
	var b []byte
	for i := 0; i < len(fields); i += 2 {
		number := protowire.Number(fields[i].(int))
		switch v := fields[i+1].(type) {
		case int:
			b = protowire.AppendTag(b, number, protowire.VarintType)
			b = protowire.AppendVarint(b, uint64(v))
		case string:
			b = protowire.AppendTag(b, number, protowire.BytesType)
			b = protowire.AppendString(b, v)
		case []byte:
			b = protowire.AppendTag(b, number, protowire.BytesType)
			b = protowire.AppendBytes(b, v)
		}
	}
	return b
}

// Numbers of fields in the schema.
const (
	idField, connectField, subscribeField, publishField, pingField = 1, 2, 3, 5, 11
)

// What is no message of commands ends the connection, as in JSON.
//
// Security 8.
func TestProtobufIsNoMessage(t *testing.T) {
	ping := pb(idField, 1, pingField, "")
	for name, b := range map[string][]byte{
		"nothing":               {},
		"half a tag":            {0x80},
		"half a length":         {0x0a, 0x80},
		"too short":             {0x0a, 0x05, 0x08},
		"a group":               {0x0b, 0x0c},
		"a fixed number":        append(protowire.AppendTag(nil, 1, protowire.Fixed64Type), make([]byte, 8)...),
		"another field":         pb(2, ping),
		"another field behind":  pb(1, ping, 2, 1),
		"a number for commands": pb(1, 1),
		"no id":                 pb(1, pb(pingField, "")),
		"id 0":                  pb(1, pb(idField, 0, pingField, "")),
		"id 2^53":               pb(1, pb(idField, 1<<53, pingField, "")),
		"id as text":            pb(1, pb(idField, "1", pingField, "")),
		"id twice":              pb(1, pb(idField, 1, idField, 2, pingField, "")),
		"no command":            pb(1, pb(idField, 1)),
		"two commands in one":   pb(1, pb(idField, 1, pingField, "", subscribeField, "")),
		"the same twice":        pb(1, pb(idField, 1, pingField, "", pingField, "")),
		"a number for a body":   pb(1, pb(idField, 1, pingField, 1)),
		"too many commands":     slices.Repeat(pb(1, ping), maxCommands+1),
	} {
		commands, err := protobufCodec{}.decode(b, testMaxData)
		if d, ok := errors.AsType[Disconnect](err); !ok || d.Code != BadMessage.Code {
			t.Errorf("%s: decode(%x) = %v, %v, want 4100", name, b, commands, err)
		}
	}
	if got, err := (protobufCodec{}).decode(slices.Repeat(pb(1, ping), maxCommands), testMaxData); err != nil || len(got) != maxCommands {
		t.Errorf("decode of %d commands = %d, %v", maxCommands, len(got), err)
	}
}

// What is wrong with a body alone is the answer to its command.
//
// Security 8.
func TestProtobufBodies(t *testing.T) {
	many := func(n int, field ...any) []byte { return slices.Repeat(pb(field...), n) }
	var tags []byte
	for i := range maxTags + 1 {
		tags = append(tags, pb(4, pb(1, string(rune('a'+i)), 2, ""))...)
	}
	for _, c := range []struct {
		name string
		body []any
		want ErrorCode
	}{
		{"unknown command", []any{15, ""}, UnknownCommand},
		{"unknown field", []any{pingField, pb(1, 1)}, BadRequest},
		{"unknown field in a position", []any{subscribeField, pb(1, "a", 3, pb(1, "e", 3, 1))}, BadRequest},
		{"malformed body", []any{subscribeField, []byte{0x0a}}, BadRequest},
		{"field twice", []any{subscribeField, pb(1, "a", 1, "b")}, BadRequest},
		{"position twice", []any{subscribeField, pb(1, "a", 3, pb(1, "e"), 3, pb(2, 1))}, BadRequest},
		{"text as a number", []any{subscribeField, pb(1, 7)}, BadRequest},
		{"number as text", []any{subscribeField, pb(1, "a", 4, "7")}, BadRequest},
		{"not UTF-8", []any{subscribeField, pb(1, "a\xff")}, BadRequest},
		{"latest is 2^32", []any{subscribeField, pb(1, "a", 4, 1<<32)}, BadRequest},
		{"a bool of 2", []any{subscribeField, pb(1, "a", 5, 2)}, BadRequest},
		{"offset 2^53", []any{subscribeField, pb(1, "a", 3, pb(1, "e", 2, 1<<53))}, BadRequest},
		{"position without epoch", []any{subscribeField, pb(1, "a", 3, pb(2, 1))}, BadRequest},
		{"neither channel nor pattern", []any{subscribeField, ""}, BadRequest},
		{"data that is not JSON", []any{publishField, pb(1, "a", 5, "{")}, BadRequest},
		{"no data", []any{publishField, pb(1, "a")}, BadRequest},
		{"too much data", []any{publishField, pb(1, "a", 5, make([]byte, testMaxData+1), 6, "a/b")}, DataTooBig},
		{"too many tags", []any{publishField, append(pb(1, "a", 5, "1"), tags...)}, BadRequest},
		{"a tag twice", []any{publishField, append(pb(1, "a", 5, "1"), many(2, 4, pb(1, "t"))...)}, BadRequest},
		{"a tag's name twice", []any{publishField, pb(1, "a", 5, "1", 4, pb(1, "t", 1, "u"))}, BadRequest},
		{"too many subscriptions", []any{connectField, many(maxCommands+1, 2, pb(1, "a"))}, BadRequest},
		{"info that is not JSON", []any{connectField, pb(3, "x")}, BadRequest},
	} {
		b := pb(1, pb(append([]any{idField, 7}, c.body...)...))
		commands, err := protobufCodec{}.decode(b, testMaxData)
		if err != nil || len(commands) != 1 {
			t.Errorf("%s: decode(%x) = %v, %v, want a command", c.name, b, commands, err)
			continue
		}
		if e, ok := errors.AsType[*Error](commands[0].err); !ok || e.Code != c.want || commands[0].id != 7 {
			t.Errorf("%s: id %d, %v, want id 7, %s", c.name, commands[0].id, commands[0].err, c.want)
		}
	}
}
