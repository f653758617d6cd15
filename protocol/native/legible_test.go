package native

import (
	"bytes"
	"reflect"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/seed-15847954/ropewalk/hub"
	"github.com/seed-15847954/ropewalk/session"
)

// Whatever a broker hands over goes to clients, alike in both encodings, and changes nothing
// that others share.
func TestNoUTF8(t *testing.T) {
	const bad = "a\xff\xfeb"
	tags := map[string]string{"t": bad, bad: "v"}
	p := &hub.Publication{
		Message: hub.Message{
			Channel: "news", ID: bad, Key: bad, Tags: tags, Data: []byte(bad), Client: bad,
		},
		Position: hub.Position{Epoch: bad, Offset: 2}, Prev: 1, Time: time.UnixMilli(1),
	}
	member := hub.Member{Client: bad, User: bad, Info: []byte(bad)}
	for name, encode := range map[string]func(c codec) hub.Packet{
		"publication": func(c codec) hub.Packet { return c.Publication(p, "") },
		"history": func(c codec) hub.Packet {
			return c.history(1, hub.Page{Top: p.Position, Publications: []*hub.Publication{p}})
		},
		"presence":   func(c codec) hub.Packet { return c.presence(1, []hub.Member{member}, false) },
		"join":       func(c codec) hub.Packet { return c.Change(&hub.PresenceChange{Channel: "news", Member: member}) },
		"message":    func(c codec) hub.Packet { return c.Message([]byte(bad), "") },
		"media type": func(c codec) hub.Packet { return c.Message([]byte(bad), bad) },
		"skip":       func(c codec) hub.Packet { return c.Skip(bad, 1, p.Position, session.SkipOwn) },
		"rpc":        func(c codec) hub.Packet { return c.result(1, []byte(bad), "") },
	} {
		text, binary := encode(jsonCodec{}).(*packet).bytes, encode(protobufCodec{}).(*packet).bytes
		if !utf8.Valid(text) {
			t.Errorf("%s: JSON is %q, want UTF-8", name, text)
		}
		if got, want := protoJSON(t, binary), jsonOf(t, text); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: Protocol Buffers have %v, JSON has %v", name, got, want)
		}
		if !bytes.Contains(text, []byte("\uFFFD")) && !bytes.Contains(text, []byte(`"base64":"Yf/+Yg=="`)) {
			t.Errorf("%s: %s has neither the mended text nor its bytes", name, text)
		}
	}
	if tags["t"] != bad || tags[bad] != "v" || p.ContentType != "" {
		t.Errorf("the publication was changed: %+v", p.Message)
	}
}
