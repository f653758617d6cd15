package native

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/seed-15847954/ropewalk/hub"
	"github.com/seed-15847954/ropewalk/session"
)

var update = flag.Bool("update", false, "write the vectors anew")

// A vector is one message in both encodings, for the tests of every client.
type vector struct {
	Name      string `json:"name"`
	Direction string `json:"direction"` // "client" or "server": who sends it
	JSON      string `json:"json"`
	Protobuf  string `json:"protobuf"` // in hexadecimal; Commands of a client, an Event of the server
}

// commandVectors are messages with one command each.
var commandVectors = []struct{ name, json string }{
	{"connect", `{"id":1,"connect":{}}`},
	{"connect with subscriptions and info", `{"id":1,"connect":{"subscriptions":[{"channel":"news"},{"channel":"prices","from":{"epoch":"e","offset":7},"joins":true},{"channel":"chat","latest":10},{"pattern":"news.*"}],"info":{"name":"Ann","age":[1,null]}}}`},
	{"connect resumes", `{"id":1,"connect":{"session":"n1.0f1e2d3c4b5a69788796a5b4c3d2e1f0"}}`},
	{"subscribe", `{"id":2,"subscribe":{"channel":"news"}}`},
	{"subscribe from a position", `{"id":2,"subscribe":{"channel":"news","from":{"epoch":"3007ff3e","offset":9007199254740991}}}`},
	{"subscribe from the beginning", `{"id":2,"subscribe":{"channel":"news","from":{"epoch":"3007ff3e","offset":0}}}`},
	{"subscribe with the latest", `{"id":3,"subscribe":{"channel":"kanał 🪢","latest":300,"joins":true}}`},
	{"subscribe to a pattern", `{"id":4,"subscribe":{"pattern":"news.**"}}`},
	{"unsubscribe", `{"id":5,"unsubscribe":{"channel":"news"}}`},
	{"unsubscribe from a pattern", `{"id":5,"unsubscribe":{"pattern":"news.**"}}`},
	{"publish JSON", `{"id":6,"publish":{"channel":"news","data":{"text":"ä\n","n":[1,2.5,true,null]}}}`},
	{"publish null", `{"id":6,"publish":{"channel":"news","data":null}}`},
	{"publish bytes", `{"id":7,"publish":{"channel":"news","base64":"AAH/","content_type":"application/octet-stream"}}`},
	{"publish no bytes", `{"id":7,"publish":{"channel":"news","base64":"","content_type":"text/plain; charset=utf-8"}}`},
	{"publish with all", `{"id":128,"publish":{"channel":"prices","id":"order-17","key":"ACME","tags":{"from":"x","kind":"ask"},"data":12,"expect":{"epoch":"e","offset":300},"exclude_self":true}}`},
	{"history", `{"id":8,"history":{"channel":"news"}}`},
	{"history backwards", `{"id":8,"history":{"channel":"news","from":{"epoch":"e","offset":5},"limit":20,"reverse":true}}`},
	{"presence", `{"id":9,"presence":{"channel":"news"}}`},
	{"presence goes on", `{"id":9,"presence":{"channel":"news","after":"a1b2","limit":1000}}`},
	{"presence count", `{"id":10,"presence_count":{"channel":"news"}}`},
	{"rpc", `{"id":11,"rpc":{"method":"add","data":[1,2]}}`},
	{"rpc with bytes", `{"id":11,"rpc":{"method":"add","base64":"gA==","content_type":"application/cbor"}}`},
	{"refresh", `{"id":12,"refresh":{"token":"t"}}`},
	{"ping with the largest id", `{"id":9007199254740991,"ping":{}}`},
}

// serverMessages are messages of the server as a codec makes them.
var serverMessages = []struct {
	name string
	make func(c codec) hub.Packet
}{
	{"connected", func(c codec) hub.Packet {
		return c.connected(1, connection{identity: someone, node: "n1", ping: 25_000})
	}},
	{"connected again", func(c codec) hub.Packet {
		return c.connected(1, connection{identity: someone, node: "n1", resumed: true, ping: 25_000, subscriptions: []subscribeResult{
			{start: session.Start{Position: &place}},
			{err: errorf(BadChannel, "channel name is empty")},
			{},
			{start: session.Start{Position: &place, Recovered: new(true)}},
		}})
	}},
	{"subscribed", func(c codec) hub.Packet { return c.subscribed(2, session.Start{Position: &place}) }},
	{"subscribed to an empty channel", func(c codec) hub.Packet {
		return c.subscribed(2, session.Start{Position: &hub.Position{Epoch: "3007ff3e"}})
	}},
	{"subscribed to a pattern", func(c codec) hub.Packet { return c.subscribed(2, session.Start{}) }},
	{"subscribed and recovered", func(c codec) hub.Packet {
		return c.subscribed(2, session.Start{Position: &place, Recovered: new(true)})
	}},
	{"subscribed and not recovered", func(c codec) hub.Packet {
		return c.subscribed(2, session.Start{Position: &place, Recovered: new(false)})
	}},
	{"unsubscribed by the client", func(c codec) hub.Packet { return c.done(3, unsubscribe) }},
	{"published", func(c codec) hub.Packet { return c.published(4, hub.Published{Position: place}) }},
	{"published before", func(c codec) hub.Packet { return c.published(4, hub.Published{Position: place, Duplicate: true}) }},
	{"history", func(c codec) hub.Packet {
		return c.history(5, hub.Page{Top: place, More: true, Publications: []*hub.Publication{plainPublication(), fullPublication()}})
	}},
	{"empty history", func(c codec) hub.Packet { return c.history(5, hub.Page{Top: place}) }},
	{"presence", func(c codec) hub.Packet {
		return c.presence(6, []hub.Member{{Client: "a1"}, {Client: "b2", User: "ann", Info: []byte(`{"name":"Ann"}`)}}, true)
	}},
	{"nobody present", func(c codec) hub.Packet { return c.presence(6, nil, false) }},
	{"presence count", func(c codec) hub.Packet { return c.counted(7, 300, 2) }},
	{"rpc", func(c codec) hub.Packet { return c.result(8, []byte(`3`), "") }},
	{"rpc with bytes", func(c codec) hub.Packet { return c.result(8, []byte{1, 255}, "application/cbor") }},
	{"rpc with nothing", func(c codec) hub.Packet { return c.result(8, nil, "") }},
	{"ping", func(c codec) hub.Packet { return c.done(9, ping) }},
	{"error", func(c codec) hub.Packet { return c.failed(10, errorf(Unavailable, "the broker did not answer")) }},

	{"publication", func(c codec) hub.Packet { return c.Publication(plainPublication(), "") }},
	{"publication with all", func(c codec) hub.Packet { return c.Publication(fullPublication(), "") }},
	{"publication of a pattern", func(c codec) hub.Packet { return c.Publication(plainPublication(), "ne*") }},
	{"skip", func(c codec) hub.Packet { return c.Skip("news", 40, place, session.SkipConflated) }},
	{"join", func(c codec) hub.Packet {
		return c.Change(&hub.PresenceChange{Channel: "news", Member: hub.Member{Client: "a1", User: "ann", Info: []byte(`["x"]`)}})
	}},
	{"leave", func(c codec) hub.Packet {
		return c.Change(&hub.PresenceChange{Channel: "news", Member: hub.Member{Client: "a1"}, Left: true})
	}},
	{"subscribed by the server", func(c codec) hub.Packet {
		return c.Subscribed(session.Target{Channel: "news"}, session.Start{Position: &place})
	}},
	{"subscribed by the server and recovered", func(c codec) hub.Packet {
		recovered := true
		return c.Subscribed(session.Target{Channel: "news"}, session.Start{Position: &place, Recovered: &recovered})
	}},
	{"subscribed to a pattern by the server", func(c codec) hub.Packet {
		p, _ := hub.ParsePattern("ne*")
		return c.Subscribed(session.Target{Pattern: p}, session.Start{})
	}},
	{"unsubscribed by the server", func(c codec) hub.Packet { return c.Unsubscribed(session.Target{Channel: "news"}, hub.ErrGap) }},
	{"unsubscribed from a pattern", func(c codec) hub.Packet {
		p, _ := hub.ParsePattern("ne*")
		return c.Unsubscribed(session.Target{Pattern: p}, errors.New("of the broker"))
	}},
	{"message", func(c codec) hub.Packet { return c.Message([]byte(`{"to":"you"}`), "") }},
	{"message of bytes", func(c codec) hub.Packet { return c.Message([]byte{0}, "a/b") }},
	{"disconnect", func(c codec) hub.Packet { return c.disconnect(GoingAway, 1532*time.Millisecond) }},
	{"disconnect for good", func(c codec) hub.Packet { return c.disconnect(BadMessage, 0) }},
}

var (
	someone = session.Identity{ID: "n1.0f1e2d3c4b5a69788796a5b4c3d2e1f0", Client: "a1b2c3d4e5f60718"}
	place   = hub.Position{Epoch: "3007ff3e", Offset: 42}
)

func plainPublication() *hub.Publication {
	return &hub.Publication{
		Message:  hub.Message{Channel: "news", Data: []byte(`{"text":"hello"}`)},
		Position: place, Prev: 41, Time: time.UnixMilli(1795400153739),
	}
}

func fullPublication() *hub.Publication {
	return &hub.Publication{
		Message: hub.Message{
			Channel: "news", ID: "order-17", Key: "ACME", Tags: map[string]string{"b": "2", "a": "ä"},
			Data: []byte{0, 1, 255}, ContentType: "application/octet-stream", Client: "a1b2c3d4e5f60718",
		},
		Position: hub.Position{Epoch: "3007ff3e", Offset: maxID}, Prev: 42, Time: time.UnixMilli(1),
	}
}

func fromClient(t *testing.T) []vector {
	t.Helper()
	var all []vector
	for _, v := range commandVectors {
		commands, err := jsonCodec{}.decode([]byte(v.json), testMaxData)
		if err != nil || len(commands) != 1 || commands[0].err != nil {
			t.Fatalf("decode(%s) = %+v, %v", v.json, commands, err)
		}
		b := marshalCommands(t, commands[0])
		back, err := protobufCodec{}.decode(b, testMaxData)
		if err != nil || !reflect.DeepEqual(back, commands) {
			t.Errorf("%s: Protocol Buffers give %+v, %v, JSON gives %+v", v.name, back, err, commands)
		}
		all = append(all, vector{v.name, "client", v.json, hex.EncodeToString(b)})
	}
	return all
}

func fromServer(t *testing.T) []vector {
	t.Helper()
	var all []vector
	for _, m := range serverMessages {
		text, binary := m.make(jsonCodec{}).(*packet).bytes, m.make(protobufCodec{}).(*packet).bytes
		if got, want := protoJSON(t, binary), jsonOf(t, text); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: Protocol Buffers have %v, JSON has %v", m.name, got, want)
		}
		all = append(all, vector{m.name, "server", string(text), hex.EncodeToString(binary)})
	}
	return all
}

// Both encodings say the same, and say it as the files have it that the tests of the
// clients read: what changes them breaks clients.
func TestVectors(t *testing.T) {
	for name, vectors := range map[string][]vector{"client.json": fromClient(t), "server.json": fromServer(t)} {
		var want bytes.Buffer
		e := json.NewEncoder(&want)
		e.SetEscapeHTML(false)
		e.SetIndent("", " ")
		if err := e.Encode(vectors); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join("testdata/vectors", name)
		if *update {
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, want.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(file)
		if err != nil || !bytes.Equal(got, want.Bytes()) {
			t.Errorf("%s is not what the codecs make (%v): look at the difference, and if it is wanted run go test ./protocol/native -run TestVectors -update", file, err)
		}
	}
}
