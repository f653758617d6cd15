package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/seed-15847954/ropewalk/api/apipb"
)

func TestDecodeJSON(t *testing.T) {
	in := ` { "channel" : "né\u0077s", "id":"i", "key":"k", "tags":{"a":"1","":""},
		"data": {"n": 12345678901234567890.10e1} , "expect":{"epoch":"e","offset":9007199254740991} } `
	var got apipb.PublishRequest
	if err := decodeJSON([]byte(in), got.ProtoReflect()); err != nil {
		t.Fatal(err)
	}
	want := &apipb.PublishRequest{
		Channel: "néws", Id: "i", Key: "k", Tags: map[string]string{"a": "1", "": ""},
		// Numbers keep every digit.
		Data: []byte(`{"n": 12345678901234567890.10e1}`), Expect: &apipb.Position{Epoch: "e", Offset: 1<<53 - 1},
	}
	if !proto.Equal(&got, want) {
		t.Errorf("decodeJSON = %v, want %v", &got, want)
	}
}

func TestDecodeJSONRefuses(t *testing.T) {
	many := strings.Repeat(`"c",`, maxMany)
	for _, c := range []struct {
		m    proto.Message
		in   string
		want string // the error
	}{
		{&apipb.PublishRequest{}, `{"channel":"c","data":1`, "bad_request: JSON: unexpected end at byte 23"},
		{&apipb.PublishRequest{}, `[]`, "bad_request: the body is not an object"},
		{&apipb.PublishRequest{}, `{"channel":null,"data":1}`, "bad_request: channel is not a string"},
		{&apipb.PublishRequest{}, `{"channel":"\ud800","data":1}`, "bad_request: channel: half of a surrogate pair"},
		{&apipb.PublishRequest{}, `{"Channel":"c","data":1}`, `bad_request: no such member: "Channel"`},
		{&apipb.PublishRequest{}, `{"data":1,"data":2}`, `bad_request: the body: member given twice: "data"`},
		{&apipb.PublishRequest{}, `{"data":1,"contentType":"a/b"}`, `bad_request: no such member: "contentType"`},
		{&apipb.PublishRequest{}, `{"data":1,"content_type":"a/b"}`, "bad_request: the body needs either data, or base64 and content_type"},
		{&apipb.PublishRequest{}, `{"base64":""}`, "bad_request: the body needs either data, or base64 and content_type"},
		{&apipb.PublishRequest{}, `{"base64":"","data":1,"content_type":"a/b"}`, "bad_request: the body needs either data, or base64 and content_type"},
		{&apipb.PublishRequest{}, `{"base64":"AB==","content_type":"a/b"}`, "bad_request: base64 is not standard base64 with padding"},
		{&apipb.PublishRequest{}, `{"base64":"AA-_","content_type":"a/b"}`, "bad_request: base64 is not standard base64 with padding"},
		{&apipb.PublishRequest{}, `{"base64":1,"content_type":"a/b"}`, "bad_request: base64 is not a string"},
		{&apipb.PublishRequest{}, `{"data":1,"tags":[]}`, "bad_request: tags is not an object"},
		{&apipb.PublishRequest{}, `{"data":1,"tags":{"a":1}}`, `bad_request: tags of "a" is not a string`},
		{&apipb.PublishRequest{}, `{"data":1,"tags":{"a":"","a":""}}`, `bad_request: tags: member given twice: "a"`},
		{&apipb.PublishRequest{}, `{"data":1,"expect":null}`, "bad_request: expect is not an object"},
		{&apipb.PublishRequest{}, `{"data":1,"expect":{"offset":-1}}`, "bad_request: expect.offset is not a whole number from 0 to 9007199254740991"},
		{&apipb.PublishRequest{}, `{"data":1,"expect":{"offset":9007199254740992}}`, "bad_request: expect.offset is not a whole number from 0 to 9007199254740991"},
		{&apipb.PublishRequest{}, `{"data":1,"expect":{"offset":"1"}}`, "bad_request: expect.offset is not a whole number from 0 to 9007199254740991"},
		{&apipb.PublishRequest{}, `{"data":1,"expect":{"at":1}}`, `bad_request: no such member: expect."at"`},
		{&apipb.PublishRequest{}, `{"data":1,"\u001b[31m":1}`, `bad_request: no such member: "\x1b[31m"`},
		{&apipb.PublishBatchRequest{}, `{"messages":{}}`, "bad_request: messages is not an array"},
		{&apipb.PublishBatchRequest{}, `{"messages":[{"data":1},2]}`, "bad_request: messages[1] is not an object"},
		{&apipb.PublishBatchRequest{}, `{"messages":[{"data":1},{}]}`, "bad_request: messages[1] needs either data, or base64 and content_type"},
		{&apipb.BroadcastRequest{}, `{"data":1,"channels":["a",2]}`, "bad_request: channels[1] is not a string"},
		{&apipb.BroadcastRequest{}, `{"data":1,"channels":[` + many + `"c"]}`, "request_too_big: more than 1000 channels"},
		{&apipb.HistoryRequest{}, `{"limit":-1}`, "bad_request: limit is not a whole number from 0 to 4294967295"},
		{&apipb.HistoryRequest{}, `{"limit":4294967296}`, "bad_request: limit is not a whole number from 0 to 4294967295"},
		{&apipb.HistoryRequest{}, `{"limit":9223372036854775808}`, "bad_request: limit is not a whole number from 0 to 4294967295"},
		{&apipb.HistoryRequest{}, `{"limit":1.5}`, "bad_request: limit is not a whole number from 0 to 4294967295"},
		{&apipb.HistoryRequest{}, `{"reverse":1}`, "bad_request: reverse is neither true nor false"},
		{&apipb.HistoryRequest{}, `{"reverse":null}`, "bad_request: reverse is neither true nor false"},
	} {
		err := decodeJSON([]byte(c.in), c.m.ProtoReflect())
		if _, ok := errors.AsType[*Error](err); !ok || err.Error() != c.want {
			t.Errorf("decodeJSON(%.100s) = %v, want %s", c.in, err, c.want)
		}
	}
}

// The number of tags is bounded before their names are compared with each other.
func TestDecodeJSONManyTags(t *testing.T) {
	var in bytes.Buffer
	in.WriteString(`{"data":1,"tags":{`)
	for i := range 200_000 {
		in.WriteString(`"` + strings.Repeat("x", i%200) + `":"",`)
	}
	in.WriteString(`"y":""}}`)
	err := decodeJSON(in.Bytes(), new(apipb.PublishRequest).ProtoReflect())
	if err == nil || err.Error() != "bad_request: more than 16 tags" {
		t.Errorf("decodeJSON = %v, want a refusal", err)
	}
}

func TestAppendJSON(t *testing.T) {
	for _, c := range []struct {
		m    proto.Message
		want string
	}{
		{&apipb.PublishResponse{Epoch: "e"}, `{"epoch":"e","offset":0,"duplicate":false}`},
		{&apipb.HistoryResponse{}, `{"publications":[],"more":false}`},
		{&apipb.PresenceResponse{Members: []*apipb.Member{{Client: "a\"\n", Info: []byte(`{"x": 1}`)}, {}}}, `{"members":[{"client":"a\"\u000a","info":{"x": 1}},{}],"more":false}`},
		{
			&apipb.Publication{Offset: 1<<53 - 1, Time: -1, Tags: map[string]string{"b": "2", "a": "1"}, Data: []byte("\xff"), ContentType: "a/b"},
			`{"offset":9007199254740991,"prev":0,"time":-1,"tags":{"a":"1","b":"2"},"base64":"/w==","content_type":"a/b"}`,
		},
		{&apipb.Publication{ContentType: "a/b"}, `{"offset":0,"prev":0,"time":0,"base64":"","content_type":"a/b"}`},
		{&apipb.PublishResult{Error: &apipb.Error{Code: "c"}}, `{"error":{"code":"c","retry":false}}`},
	} {
		got := string(appendJSON(nil, c.m.ProtoReflect()))
		if got != c.want {
			t.Errorf("appendJSON(%v) = %s, want %s", c.m, got, c.want)
		}
	}
}

// Answers of every method can be written, and requests of every method be read:
// no field has a kind that the JSON does not know.
func TestJSONKnowsAllFields(t *testing.T) {
	methods := apipb.File_api_proto.Services().ByName("Api").Methods()
	for i := range methods.Len() {
		for _, d := range []protoreflect.MessageDescriptor{methods.Get(i).Input(), methods.Get(i).Output()} {
			b := appendJSON(nil, full(d))
			if !json.Valid(b) {
				t.Errorf("appendJSON(%s) = %s", d.Name(), b)
			}
		}
	}
}

// newMessage returns an empty message of the type that the program has for it.
func newMessage(d protoreflect.MessageDescriptor) protoreflect.Message {
	t, err := protoregistry.GlobalTypes.FindMessageByName(d.FullName())
	if err != nil {
		panic(err)
	}
	return t.New()
}

// full returns a message with one element in each list and every message set.
func full(d protoreflect.MessageDescriptor) protoreflect.Message {
	m := newMessage(d)
	for i := range d.Fields().Len() {
		field := d.Fields().Get(i)
		switch {
		case field.IsMap():
			m.Mutable(field).Map().Set(protoreflect.ValueOfString("k").MapKey(), protoreflect.ValueOfString("v"))
		case field.IsList() && field.Message() != nil:
			m.Mutable(field).List().Append(protoreflect.ValueOfMessage(full(field.Message())))
		case field.IsList():
			m.Mutable(field).List().Append(protoreflect.ValueOfString("x"))
		case field.Message() != nil:
			m.Set(field, protoreflect.ValueOfMessage(full(field.Message())))
		case field.Kind() == protoreflect.BytesKind:
			m.Set(field, protoreflect.ValueOfBytes([]byte(`{"a":1}`)))
		}
	}
	return m
}

// A request is decoded or refused; what was decoded says the same when it is
// written and read again.
//
// Security 8.
func FuzzDecodeJSON(f *testing.F) {
	for _, seed := range []string{
		`{"channel":"c","data":{"a":[1]},"id":"i","tags":{"a":"b"},"expect":{"epoch":"e","offset":1}}`,
		`{"channel":"c","base64":"AAH/","content_type":"a/b"}`,
		`{"channel":"c","base64":"","content_type":"a/b"}`,
		`{"messages":[{"channel":"c","data":null}]}`,
		`{"channels":["a","b"],"data":1e5}`,
		`{"channel":"c","from":{"epoch":"e","offset":0},"limit":7,"reverse":true}`,
		`{"client":"c","user":"u","reason":"r","retry":false}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		methods := apipb.File_api_proto.Services().ByName("Api").Methods()
		for i := range methods.Len() {
			d := methods.Get(i).Input()
			m := newMessage(d)
			if decodeJSON(in, m) != nil {
				continue
			}
			out := appendJSON(nil, m)
			again := newMessage(d)
			if err := decodeJSON(out, again); err != nil || !proto.Equal(m.Interface(), again.Interface()) {
				t.Fatalf("%s from %s is %v; written as %s it is %v, %v", d.Name(), in, m, out, again, err)
			}
		}
	})
}
