package native

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/seed-15847954/ropewalk/hub"
	"github.com/seed-15847954/ropewalk/internal/jsonscan"
)

const testMaxData = 1000

// decodeJSON decodes a message of one command. The error is that of the message or of
// the command.
func decodeJSON(text string) (command, error) {
	commands, err := jsonCodec{}.decode([]byte(text), testMaxData)
	if err != nil {
		return command{}, err
	}
	return commands[0], commands[0].err
}

// What the vectors have is left out here.
func TestDecodeJSON(t *testing.T) {
	for _, c := range []struct {
		in   string
		want command
	}{
		{` { "ping" : { } , "id" : 9007199254740991 } `, command{id: jsonscan.MaxInteger, name: ping}},
		{` [ {"id":1,"ping":{}} ] `, command{id: 1, name: ping}},
		{`{"\u0069d":2,"unsubscribe":{"channel":"\u00e9\ud83d\ude00"}}`, command{id: 2, name: unsubscribe, channel: "é😀"}},
		{
			`{"id":3,"publish":{"data": {"x":[1, 2]} ,"channel":"a","id":"k"}}`,
			command{id: 3, name: publish, channel: "a", message: hub.Message{Channel: "a", ID: "k", Data: []byte(`{"x":[1, 2]}`)}},
		},
	} {
		got, err := decodeJSON(c.in)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("decode(%s) = %+v, %v, want %+v", c.in, got, err, c.want)
		}
	}
}

func TestDecodeJSONRefuses(t *testing.T) {
	long := strings.Repeat("x", 1001)
	for _, c := range []struct {
		in   string
		want ErrorCode
	}{
		{`{"id":1,"histories":{}}`, UnknownCommand},
		{`{"id":1,"Subscribe":{"channel":"a"}}`, UnknownCommand},
		{`{"id":1,"":{}}`, UnknownCommand},
		{`{"id":1,"subscribe":[]}`, BadRequest},
		{`{"id":1,"subscribe":null}`, BadRequest},
		{`{"id":1,"subscribe":{"channel":1}}`, BadRequest},
		{`{"id":1,"subscribe":{"channel":["a"]}}`, BadRequest},
		{`{"id":1,"subscribe":{"channel":"a","channel":"b"}}`, BadRequest},
		{`{"id":1,"subscribe":{"channel":"a","Channel":"b"}}`, BadRequest},
		{`{"id":1,"subscribe":{"channel":"a","data":1}}`, BadRequest},
		{`{"id":1,"subscribe":{"channel":"\ud800"}}`, BadRequest},
		{`{"id":1,"subscribe":{"\ud800":"a"}}`, BadRequest},
		{`{"id":1,"connect":{"token":"x"}}`, BadRequest},
		{`{"id":1,"ping":1}`, BadRequest},
		{`{"id":1,"subscribe":{}}`, BadRequest},
		{`{"id":1,"subscribe":{"channel":""}}`, BadRequest},
		{`{"id":1,"subscribe":{"channel":"a","pattern":"a"}}`, BadRequest},
		{`{"id":1,"subscribe":{"pattern":"a***"}}`, BadPattern},
		{`{"id":1,"subscribe":{"pattern":"a*","joins":true}}`, BadRequest},
		{`{"id":1,"subscribe":{"channel":"a","latest":1,"from":{"epoch":"e","offset":1}}}`, BadRequest},
		{`{"id":1,"subscribe":{"channel":"a","latest":-1}}`, BadRequest},
		{`{"id":1,"subscribe":{"channel":"a","latest":4294967296}}`, BadRequest},
		{`{"id":1,"subscribe":{"channel":"a","joins":1}}`, BadRequest},
		{`{"id":1,"subscribe":{"channel":"a","from":5}}`, BadRequest},
		{`{"id":1,"subscribe":{"channel":"a","from":{"offset":1}}}`, BadRequest},
		{`{"id":1,"subscribe":{"channel":"a","from":{"epoch":"","offset":1}}}`, BadRequest},
		{`{"id":1,"subscribe":{"channel":"a","from":{"epoch":"e","offset":1,"prev":1}}}`, BadRequest},
		{`{"id":1,"history":{}}`, BadChannel},
		{`{"id":1,"history":{"channel":"a","limit":"all"}}`, BadRequest},
		{`{"id":1,"presence":{"channel":"\n"}}`, BadChannel},
		{`{"id":1,"rpc":{"data":1}}`, BadRequest},
		{`{"id":1,"rpc":{"method":"m"}}`, BadRequest},
		{`{"id":1,"rpc":{"method":"` + long[:257] + `","data":1}}`, BadRequest},
		{`{"id":1,"refresh":{"token":{}}}`, BadRequest},
		{`{"id":1,"connect":{"subscriptions":{}}}`, BadRequest},
		{`{"id":1,"connect":{"subscriptions":[1]}}`, BadRequest},
		{`{"id":1,"connect":{"subscriptions":[{"channel":"a","data":1}]}}`, BadRequest},
		{`{"id":1,"connect":{"subscriptions":[` + strings.Repeat(`{"channel":"a"},`, 128) + `{"channel":"a"}]}}`, BadRequest},
		{`{"id":1,"connect":{"info":"` + strings.Repeat("x", maxInfo-1) + `"}}`, BadRequest},
		{`{"id":1,"publish":{"channel":"a","data":1,"tags":{"a":1}}}`, BadRequest},
		{`{"id":1,"publish":{"channel":"a","data":1,"tags":["a"]}}`, BadRequest},
		{`{"id":1,"publish":{"channel":"a","data":1,"tags":{"a":"1","a":"2"}}}`, BadRequest},
		{`{"id":1,"publish":{"channel":"a","data":1,"tags":{"a":"` + long[:257] + `"}}}`, BadRequest},
		{`{"id":1,"publish":{"channel":"a","data":1,"tags":{` + manyTags(17) + `}}}`, BadRequest},
		{`{"id":1,"publish":{"channel":"a","data":1,"key":"` + long[:65] + `"}}`, BadRequest},
		{`{"id":1,"publish":{"channel":"a","base64":"","content_type":"text"}}`, BadRequest},
		{`{"id":1,"subscribe":{"channel":"a\u0000"}}`, BadChannel},
		{`{"id":1,"unsubscribe":{"channel":"a\u001b[2J"}}`, BadChannel},
		{`{"id":1,"publish":{"channel":"a\u2028","data":1}}`, BadChannel},
		{`{"id":1,"subscribe":{"channel":"` + long[:256] + `"}}`, BadChannel},
		{`{"id":1,"publish":{"channel":"a"}}`, BadRequest},
		{`{"id":1,"publish":{"channel":"a","data":1,"base64":"","content_type":"a/b"}}`, BadRequest},
		{`{"id":1,"publish":{"channel":"a","data":1,"content_type":"a/b"}}`, BadRequest},
		{`{"id":1,"publish":{"channel":"a","base64":"AAH/"}}`, BadRequest},
		{`{"id":1,"publish":{"channel":"a","base64":"AAH","content_type":"a/b"}}`, BadRequest},
		{`{"id":1,"publish":{"channel":"a","base64":"AB==","content_type":"a/b"}}`, BadRequest},
		{`{"id":1,"publish":{"channel":"a","base64":1,"content_type":"a/b"}}`, BadRequest},
		{`{"id":1,"publish":{"channel":"a","base64":"","content_type":""}}`, BadRequest},
		{`{"id":1,"publish":{"channel":"a","base64":"","content_type":"a/b; x=\"\u00e9\""}}`, BadRequest},
		{`{"id":1,"publish":{"channel":"a","base64":"","content_type":"` + long[:128] + `"}}`, BadRequest},
		{`{"id":1,"publish":{"channel":"a","data":1,"id":7}}`, BadRequest},
		{`{"id":1,"publish":{"channel":"a","data":1,"id":"` + long[:65] + `"}}`, BadRequest},
		{`{"id":1,"publish":{"channel":"a","data":"` + long[:999] + `"}}`, DataTooBig},
		{`{"id":1,"publish":{"channel":"a","content_type":"a/b","base64":"` + strings.Repeat("AAAA", 334) + `"}}`, DataTooBig},
	} {
		cmd, err := decodeJSON(c.in)
		e, ok := errors.AsType[*Error](err)
		if !ok || e.Code != c.want || cmd.id != 1 {
			t.Errorf("decode(%.90s) = id %d, %v, want id 1, %s", c.in, cmd.id, err, c.want)
		}
	}
}

// An error does not carry what the client sent, but for a short name, escaped.
func TestErrorsAreShort(t *testing.T) {
	name := strings.Repeat("\u202e", 1000)
	_, err := decodeJSON(`{"id":1,"` + name + `":{}}`)
	if err == nil || len(err.Error()) > 200 || strings.ContainsRune(err.Error(), '\u202e') {
		t.Errorf("decode with a long name = %v, want a short error without its characters", err)
	}
}

func manyTags(n int) string {
	var tags []string
	for i := range n {
		tags = append(tags, fmt.Sprintf(`"t%d":""`, i))
	}
	return strings.Join(tags, ",")
}
