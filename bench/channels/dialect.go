//go:build linux

package channels

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/seed-15847954/ropewalk/bench/wire"
)

// A Dialect is the language that a server and its clients speak, as far as a load
// needs it.
type Dialect struct {
	Name     string // for tables
	path     string // of the opening handshake
	protocol string // subprotocol
	opcode   byte   // of what clients send

	first    bool // the client speaks first
	pong     []byte
	publish  string // path that back ends publish at
	publishN string // the same, for several channels

	// connect returns the first command of a client: a new one, or one that comes
	// back in that session.
	connect func(session string) []byte

	// subscribe returns the command to subscribe to channel, behind a position if
	// there is one.
	subscribe func(channel string, from *Position) []byte

	// each calls visit for each of the server's messages in one of WebSocket.
	each func(message []byte, visit func(m []byte) error) error

	// kind says what m is.
	kind func(m []byte) kind
}

// A Position is where a client stands in a channel.
type Position struct {
	Epoch  string
	Offset uint64
}

type kind int

const (
	unknown kind = iota
	greeting
	connected
	subscribed
	publication
	ping
	skipped // what a slow reader is told
)

// The dialects. Each server has one of JSON, and one of a binary encoding if it has
// one.
var (
	ropewalkJSON = Dialect{
		Name: "JSON", path: "/connection/websocket", protocol: "ropewalk.v1.json", opcode: wire.Text, first: true,
		publish: "/api/publish", publishN: "/api/broadcast",
		connect: func(session string) []byte {
			return encode(map[string]any{"id": 1, "connect": optional("session", session)})
		},
		subscribe: func(channel string, from *Position) []byte {
			body := map[string]any{"channel": channel}
			if from != nil {
				body["from"] = map[string]any{"epoch": from.Epoch, "offset": from.Offset}
			}
			return encode(map[string]any{"id": 2, "subscribe": body})
		},
		each: whole,
		kind: prefixes([]prefix{
			{`{"publication":`, publication},
			{`{"skip":`, skipped},
			{`{"id":2,"subscribe":`, subscribed},
			{`{"id":1,"connect":`, connected},
		}),
	}
	ropewalkProtobuf = Dialect{
		Name: "Protobuf", path: "/connection/websocket", protocol: "ropewalk.v1.protobuf", opcode: wire.Binary, first: true,
		publish: "/api/publish", publishN: "/api/broadcast",
		connect: func(session string) []byte {
			return field(nil, 1, numbered(1, field(nil, 2, text(nil, 1, session))))
		},
		subscribe: func(channel string, from *Position) []byte {
			body := text(nil, 1, channel)
			if from != nil {
				body = field(body, 3, number(text(nil, 1, from.Epoch), 2, from.Offset))
			}
			return field(nil, 1, numbered(2, field(nil, 3, body)))
		},
		each: whole,
		kind: ropewalkKind,
	}
	centrifugeJSON = Dialect{
		Name: "JSON", path: "/connection/websocket", protocol: "centrifuge-json", opcode: wire.Text, first: true,
		pong: []byte(`{}`), publish: "/publish", publishN: "/publish",
		connect: func(string) []byte { return []byte(`{"id":1,"connect":{}}`) },
		subscribe: func(channel string, from *Position) []byte {
			body := map[string]any{"channel": channel}
			if from != nil {
				body["recover"], body["epoch"], body["offset"] = true, from.Epoch, from.Offset
			}
			return encode(map[string]any{"id": 2, "subscribe": body})
		},
		each: lines,
		kind: prefixes([]prefix{
			{`{"push":`, publication},
			{`{"id":2,"subscribe":`, subscribed},
			{`{"id":1,"connect":`, connected},
			{`{}`, ping},
		}),
	}
	centrifugeProtobuf = Dialect{
		Name: "Protobuf", path: "/connection/websocket", protocol: "centrifuge-protobuf", opcode: wire.Binary, first: true,
		pong: []byte{0}, publish: "/publish", publishN: "/publish",
		connect: func(string) []byte { return delimited(numbered(1, field(nil, 4, nil))) },
		subscribe: func(channel string, from *Position) []byte {
			body := text(nil, 1, channel)
			if from != nil {
				body = number(text(number(body, 3, 1), 6, from.Epoch), 7, from.Offset)
			}
			return delimited(numbered(2, field(nil, 5, body)))
		},
		each: eachDelimited,
		kind: centrifugeKind,
	}
	socketIO = Dialect{
		Name: "JSON", path: "/connection/?EIO=4&transport=websocket", opcode: wire.Text,
		pong: []byte("3"), publish: "/publish", publishN: "/publish",
		connect: func(string) []byte { return []byte("40") },
		subscribe: func(channel string, _ *Position) []byte {
			return fmt.Appendf(nil, `420["subscribe",%q]`, channel)
		},
		each: whole,
		kind: prefixes([]prefix{
			{`42["publication",`, publication},
			{`430[`, subscribed},
			{`40{`, connected},
			{`0{`, greeting},
			{`2`, ping},
		}),
	}
)

// body returns what a back end posts to have data published in channels.
func (d *Dialect) body(channels []string, data []byte) (path string, body []byte) {
	if len(channels) == 1 && d.publish != d.publishN {
		return d.publish, encode(map[string]any{"channel": channels[0], "data": json.RawMessage(data)})
	}
	return d.publishN, encode(map[string]any{"channels": channels, "data": json.RawMessage(data)})
}

type prefix struct {
	text string
	kind kind
}

func prefixes(all []prefix) func(m []byte) kind {
	return func(m []byte) kind {
		for i := range all {
			if p := &all[i]; len(m) >= len(p.text) && string(m[:len(p.text)]) == p.text {
				return p.kind
			}
		}
		return unknown
	}
}

func whole(message []byte, visit func(m []byte) error) error { return visit(message) }

func lines(message []byte, visit func(m []byte) error) error {
	for line := range bytes.SplitSeq(message, []byte("\n")) {
		if err := visit(line); err != nil {
			return err
		}
	}
	return nil
}

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // v is of this package
	}
	return b
}

// optional returns an object with the member, unless that is empty.
func optional(name, value string) map[string]any {
	if value == "" {
		return map[string]any{}
	}
	return map[string]any{name: value}
}
