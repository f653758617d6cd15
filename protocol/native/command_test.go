package native

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/seed-15847954/ropewalk/hub"
	"github.com/seed-15847954/ropewalk/internal/jsonscan"
)

const testMaxData = 1000

func TestDecodeCommand(t *testing.T) {
	for _, c := range []struct {
		in   string
		want command
	}{
		{`{"id":1,"connect":{}}`, command{id: 1, name: connect}},
		{` { "ping" : { } , "id" : 9007199254740991 } `, command{id: jsonscan.MaxInteger, name: ping}},
		{`{"id":2,"subscribe":{"channel":"a"}}`, command{id: 2, name: subscribe, message: hub.Message{Channel: "a"}}},
		{`{"\u0069d":2,"unsubscribe":{"channel":"\u00e9\ud83d\ude00"}}`, command{id: 2, name: unsubscribe, message: hub.Message{Channel: "é😀"}}},
		{
			`{"id":3,"publish":{"data": {"x":[1, 2]} ,"channel":"a","id":"k"}}`,
			command{id: 3, name: publish, message: hub.Message{Channel: "a", ID: "k", Data: []byte(`{"x":[1, 2]}`)}},
		},
		{
			`{"id":3,"publish":{"channel":"a","base64":"AAH/","content_type":"text/plain; charset=x"}}`,
			command{id: 3, name: publish, message: hub.Message{Channel: "a", Data: []byte{0, 1, 255}, ContentType: "text/plain; charset=x"}},
		},
	} {
		got, err := decodeCommand([]byte(c.in), testMaxData)
		if err != nil || fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("decodeCommand(%s) = %+v, %v, want %+v", c.in, got, err, c.want)
		}
	}
}

func TestDecodeCommandRefuses(t *testing.T) {
	long := strings.Repeat("x", 1001)
	for _, c := range []struct {
		in   string
		want ErrorCode
	}{
		{`{"id":1,"history":{}}`, UnknownCommand},
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
		{`{"id":1,"subscribe":{}}`, BadChannel},
		{`{"id":1,"subscribe":{"channel":""}}`, BadChannel},
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
		cmd, err := decodeCommand([]byte(c.in), testMaxData)
		e, ok := errors.AsType[*Error](err)
		if !ok || e.Code != c.want || cmd.id != 1 {
			t.Errorf("decodeCommand(%.90s) = id %d, %v, want id 1, %s", c.in, cmd.id, err, c.want)
		}
	}
}

// An error does not carry what the client sent, but for a short name, escaped.
func TestErrorsAreShort(t *testing.T) {
	name := strings.Repeat("\u202e", 1000)
	_, err := decodeCommand([]byte(`{"id":1,"`+name+`":{}}`), testMaxData)
	if err == nil || len(err.Error()) > 200 || strings.ContainsRune(err.Error(), '\u202e') {
		t.Errorf("decodeCommand with a long name = %v, want a short error without its characters", err)
	}
}

// Every text leads to a command, an error or a disconnect; what is accepted is
// within the limits.
//
// Security 8.
func FuzzDecodeCommand(f *testing.F) {
	for _, seed := range []string{
		`{"id":1,"connect":{}}`,
		`{"id":2,"subscribe":{"channel":"news"}}`,
		`{"id":3,"unsubscribe":{"channel":"\ud83d\ude00"}}`,
		`{"id":4,"publish":{"channel":"news","data":{"a":[1,2.5e3,null,"x"]},"id":"k"}}`,
		`{"id":5,"publish":{"channel":"news","base64":"AAH/","content_type":"application/octet-stream"}}`,
		`{"id":6,"ping":{}}`,
		`{"id":6,"ping":{}} x`,
		`{"id":6,"id":7,"ping":{}}`,
		`[[[[[[`,
		"\xff",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		cmd, err := decodeCommand(b, testMaxData)
		if !bytes.Equal(b, before) {
			t.Fatal("the input was changed")
		}
		_, isDisconnect := errors.AsType[Disconnect](err)
		refusal, isError := errors.AsType[*Error](err)
		switch {
		case isDisconnect:
			return
		case isError:
			if err := jsonscan.Check(errorReply(cmd.id, refusal), maxDepth); err != nil {
				t.Fatalf("the reply to %q is not JSON: %v", b, err)
			}
			return
		case err != nil:
			t.Fatalf("decodeCommand(%q) = %v, want an *Error or a Disconnect", b, err)
		}
		checkAccepted(t, b, cmd)
	})
}

func checkAccepted(t *testing.T, b []byte, cmd command) {
	t.Helper()
	m := cmd.message
	if cmd.id == 0 || cmd.id > jsonscan.MaxInteger || len(m.Data) > testMaxData || len(m.ID) > maxPublicationID {
		t.Fatalf("decodeCommand(%q) = %+v, beyond the limits", b, cmd)
	}
	if cmd.name != publish {
		return
	}
	if err := hub.CheckChannel(m.Channel); err != nil {
		t.Fatalf("decodeCommand(%q): %v", b, err)
	}
	push := appendPublication(&hub.Publication{Message: m, Time: time.UnixMilli(1)})
	if err := jsonscan.Check(push, maxDepth+2); err != nil {
		t.Fatalf("the push of %q is %q: %v", b, push, err)
	}
}
