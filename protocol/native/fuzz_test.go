package native

import (
	"bytes"
	"errors"
	"math"
	"reflect"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/seed-15847954/ropewalk/hub"
	"github.com/seed-15847954/ropewalk/internal/jsonscan"
	"github.com/seed-15847954/ropewalk/protocol/native/nativepb"
)

// Every text leads to commands, errors or a disconnect; what is accepted is within the
// limits, and is the same when it comes in the other encoding.
//
// Security 8.
func FuzzDecodeJSON(f *testing.F) {
	for _, v := range commandVectors {
		f.Add([]byte(v.json))
	}
	for _, seed := range []string{
		`{"id":3,"unsubscribe":{"channel":"\ud83d\ude00"}}`, `[{"id":6,"ping":{}},{"id":5,"ping":{}}]`,
		`{"id":6,"ping":{}} x`,
		`{"id":1,"connect":{"subscriptions":[{"channel":"a","latest":4294967296}]}}`, `{"id":6,"id":7,"ping":{}}`, `[[[[[[`, "\xff",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		commands := decodeAny(t, jsonCodec{}, b)
		var good []command
		for _, c := range commands {
			if c.err == nil && !slices.ContainsFunc(c.subscriptions, isTooLate) {
				good = append(good, c)
			}
		}
		if len(good) == 0 {
			return
		}
		back := decodeAny(t, protobufCodec{}, marshalCommands(t, good...))
		if !reflect.DeepEqual(back, good) {
			t.Fatalf("%q is %+v in JSON and %+v in Protocol Buffers", b, good, back)
		}
	})
}

// isTooLate reports what is refused in a subscription of connect alone, and has no room
// in Protocol Buffers.
func isTooLate(sub command) bool { return sub.latest > math.MaxUint32 }

// The same holds for bytes, which moreover mean what the decoder of the schema says.
//
// Security 8.
func FuzzDecodeProtobuf(f *testing.F) {
	for _, v := range commandVectors {
		c, _ := decodeJSON(v.json)
		b, err := proto.Marshal(&nativepb.Commands{Commands: []*nativepb.Command{toProto(c)}})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add(append(b, b...))
		f.Add(b[:len(b)-1])
	}
	f.Add([]byte{0x0a, 0x04, 0x08, 0x01, 0x62, 0x00}) // an unknown command
	f.Add(pb(1, pb(idField, 1, publishField, pb(1, "a", 5, " \n[1] ", 4, pb(1, "", 2, "")))))
	f.Add(pb(1, pb(idField, 1, publishField, pb(1, "a", 5, "", 6, "a/b"))))
	f.Add(pb(1, pb(idField, 1, connectField, pb(3, "", 2, pb(2, "a*"), 2, ""))))
	f.Fuzz(func(t *testing.T, b []byte) {
		commands := decodeAny(t, protobufCodec{}, b)
		if commands == nil {
			return
		}
		var plain nativepb.Commands
		if err := (proto.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(b, &plain); err != nil {
			for _, c := range commands {
				if c.err != nil {
					return // text that is not UTF-8
				}
			}
			t.Fatalf("%x is accepted, and is no message: %v", b, err)
		}
		for i, c := range commands {
			if c.err == nil && !proto.Equal(toProto(c), plain.Commands[i]) {
				t.Fatalf("%x: command %d is %v, want %v", b, i, toProto(c), plain.Commands[i])
			}
			if c.err == nil {
				checkInJSON(t, c)
			}
		}
	})
}

// checkInJSON checks that a command which came in Protocol Buffers is the same in JSON.
func checkInJSON(t *testing.T, c command) {
	t.Helper()
	b := toJSON(t, c)
	back := decodeAny(t, jsonCodec{}, b)
	// JSON has no room around a value of a member.
	for _, text := range []*[]byte{&c.info, &c.message.Data} {
		if c.message.ContentType == "" && *text != nil {
			*text = bytes.Trim(*text, " \t\r\n")
		}
	}
	if len(back) != 1 || !reflect.DeepEqual(back[0], c) {
		t.Fatalf("%+v is %+v in JSON: %s", c, back, b)
	}
}

// decodeAny decodes b and checks what every result must be like.
func decodeAny(t *testing.T, codec codec, message []byte) []command {
	t.Helper()
	b, before := bytes.Clone(message), message
	commands, err := codec.decode(b, testMaxData)
	if !bytes.Equal(b, before) {
		t.Fatal("the input was changed")
	}
	if err != nil {
		if _, ok := errors.AsType[Disconnect](err); !ok {
			t.Fatalf("decode(%q) = %v, want a Disconnect", b, err)
		}
		return nil
	}
	if len(commands) == 0 || len(commands) > maxCommands {
		t.Fatalf("decode(%q) = %d commands, want 1 to %d", b, len(commands), maxCommands)
	}
	for _, c := range commands {
		checkDecoded(t, b, c)
	}
	clear(b) // the commands keep nothing of it
	return commands
}

func checkDecoded(t *testing.T, b []byte, c command) {
	t.Helper()
	if c.id == 0 || c.id > maxID {
		t.Fatalf("decode(%q) has the id %d", b, c.id)
	}
	if c.err != nil {
		refusal, ok := errors.AsType[*Error](c.err)
		if !ok {
			t.Fatalf("decode(%q): %v, want an *Error", b, c.err)
		}
		reply := jsonCodec{}.failed(c.id, refusal).(*packet).bytes
		if err := jsonscan.Check(reply, maxDepth); err != nil || len(reply) > 600 {
			t.Fatalf("the reply to %q is %q: %v", b, reply, err)
		}
		protobufCodec{}.failed(c.id, refusal) // does not panic
		return
	}
	m := c.message
	if len(m.Data) > testMaxData || len(m.ID) > maxPublicationID || len(m.Tags) > maxTags || len(c.subscriptions) > maxCommands {
		t.Fatalf("decode(%q) = %+v, beyond the limits", b, c)
	}
	if c.name != publish {
		return
	}
	if err := hub.CheckChannel(m.Channel); err != nil {
		t.Fatalf("decode(%q): %v", b, err)
	}
	p := &hub.Publication{Message: m, Time: time.UnixMilli(1), Position: place}
	push := jsonCodec{}.Publication(p, "").(*packet).bytes
	if err := jsonscan.Check(push, maxDepth+2); err != nil || bytes.ContainsAny(push, "\r\n") {
		t.Fatalf("the push of %q is %q: %v", b, push, err)
	}
	if got, want := protoJSON(t, protobufCodec{}.Publication(p, "").(*packet).bytes), jsonOf(t, push); !reflect.DeepEqual(got, want) {
		t.Fatalf("the push of %q is %v in Protocol Buffers, and %v in JSON", b, got, want)
	}
}
