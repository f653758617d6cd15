package client

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/seed-15847954/ropewalk/websocket"
)

// A codec turns commands and events into WebSocket messages and back.
type codec interface {
	subprotocol() string
	messageType() websocket.MessageType
	encode(c *command) ([]byte, error)
	decode(b []byte) (*message, error)
}

// An Encoding is how the messages between a client and its server look. Programs
// see no difference.
type Encoding string

// The encodings, by the names that they have in Sec-WebSocket-Protocol.
const (
	// JSON is text that whoever watches the wire can read: what a client speaks unless
	// it is told otherwise.
	JSON Encoding = "ropewalk.v1.json"

	// Protobuf is binary. It takes less time and room, above all with data that is not
	// JSON, which JSON carries in base64.
	Protobuf Encoding = "ropewalk.v1.protobuf"
)

// codec returns that of the encoding.
func (e Encoding) codec() (codec, error) {
	switch e {
	case JSON, "":
		return jsonCodec{}, nil
	case Protobuf:
		return protobufCodec{}, nil
	}
	return nil, fmt.Errorf("client: there is no encoding %q", string(e))
}

// A command is one of the fields of a message to the server; the others are nil.
type command struct {
	id   uint64
	name string
	body any // one of the request types below
}

type connectRequest struct {
	Session       string             `json:"session,omitempty"`
	Subscriptions []subscribeRequest `json:"subscriptions,omitempty"`
	Info          json.RawMessage    `json:"info,omitempty"`
}

type subscribeRequest struct {
	Channel string    `json:"channel,omitempty"`
	Pattern string    `json:"pattern,omitempty"`
	From    *Position `json:"from,omitempty"`
	Latest  uint32    `json:"latest,omitempty"`
	Joins   bool      `json:"joins,omitempty"`
}

type unsubscribeRequest struct {
	Channel string `json:"channel,omitempty"`
	Pattern string `json:"pattern,omitempty"`
}

type publishRequest struct {
	Channel string            `json:"channel"`
	ID      string            `json:"id,omitempty"`
	Key     string            `json:"key,omitempty"`
	Tags    map[string]string `json:"tags,omitempty"`
	data
	Expect      *Position `json:"expect,omitempty"`
	ExcludeSelf bool      `json:"exclude_self,omitempty"`
}

type historyRequest struct {
	Channel string    `json:"channel"`
	From    *Position `json:"from,omitempty"`
	Limit   uint32    `json:"limit,omitempty"`
	Reverse bool      `json:"reverse,omitempty"`
}

type presenceRequest struct {
	Channel string `json:"channel"`
	After   string `json:"after,omitempty"`
	Limit   uint32 `json:"limit,omitempty"`
}

type presenceCountRequest struct {
	Channel string `json:"channel"`
}

type rpcRequest struct {
	Method string `json:"method"`
	data
}

type pingRequest struct{}

// data is JSON in data, or bytes in base64 with their content type.
type data struct {
	Data        json.RawMessage `json:"data,omitempty"`
	Base64      *[]byte         `json:"base64,omitempty"`
	ContentType string          `json:"content_type,omitempty"`
}

// bytes returns the data whichever way it came.
func (d *data) bytes() []byte {
	if d.Base64 != nil {
		return *d.Base64
	}
	return d.Data
}

// A message is what the server sends: a reply if ID is set, else a push.
type message struct {
	ID    uint64 `json:"id"`
	Error *Error `json:"error"`

	Connect       *connected       `json:"connect"`
	Subscribe     *subscribed      `json:"subscribe"`
	Publish       *Published       `json:"publish"`
	History       *historyPage     `json:"history"`
	Presence      *presencePage    `json:"presence"`
	PresenceCount *presenceCounted `json:"presence_count"`
	RPC           *data            `json:"rpc"`

	Publication  *publication    `json:"publication"`
	Skip         *skip           `json:"skip"`
	Join         *presenceChange `json:"join"`
	Leave        *presenceChange `json:"leave"`
	Subscribed   *subscribed     `json:"subscribed"`
	Unsubscribed *unsubscribed   `json:"unsubscribed"`
	Message      *data           `json:"message"`
	Disconnect   *disconnect     `json:"disconnect"`
}

type connected struct {
	Session       string            `json:"session"`
	Client        string            `json:"client"`
	Node          string            `json:"node"`
	Resumed       bool              `json:"resumed"`
	Subscriptions []subscribeResult `json:"subscriptions"`
	Ping          uint32            `json:"ping"`
}

type subscribeResult struct {
	Error     *Error      `json:"error"`
	Subscribe *subscribed `json:"subscribe"`
}

type subscribed struct {
	Position  Position `json:"position"`
	Recovered *bool    `json:"recovered"`
	Reason    string   `json:"reason"`
	Channel   string   `json:"channel"` // this and Pattern are of pushes alone
	Pattern   string   `json:"pattern"`
}

type historyPage struct {
	Top          Position      `json:"top"`
	Publications []publication `json:"publications"`
	More         bool          `json:"more"`
}

type presencePage struct {
	Members []Member `json:"members"`
	More    bool     `json:"more"`
}

type presenceCounted struct {
	Clients uint64 `json:"clients"`
	Users   uint64 `json:"users"`
}

type publication struct {
	Channel string `json:"channel"`
	Pattern string `json:"pattern"`
	Position
	Prev   uint64            `json:"prev"`
	Time   int64             `json:"time"`
	ID     string            `json:"id"`
	Key    string            `json:"key"`
	Tags   map[string]string `json:"tags"`
	Client string            `json:"client"`
	data
}

type skip struct {
	Channel string `json:"channel"`
	Position
	Prev   uint64 `json:"prev"`
	Reason string `json:"reason"`
}

type presenceChange struct {
	Channel string `json:"channel"`
	Member  Member `json:"member"`
}

type unsubscribed struct {
	Channel string `json:"channel"`
	Pattern string `json:"pattern"`
	Error
}

type disconnect struct {
	Disconnect
	After int64 `json:"after"` // milliseconds
}

func (p *publication) event() *Publication {
	return &Publication{
		Channel: p.Channel, Position: p.Position, Prev: p.Prev, Time: time.UnixMilli(p.Time),
		ID: p.ID, Key: p.Key, Tags: p.Tags, Data: p.bytes(), ContentType: p.ContentType, Client: p.Client,
	}
}

// newData returns b as a command carries it.
func newData(b []byte, contentType string) (data, error) {
	if contentType != "" {
		return data{Base64: &b, ContentType: contentType}, nil
	}
	if !utf8.Valid(b) || !json.Valid(b) {
		return data{}, fmt.Errorf("client: the data is not JSON, and has no ContentType")
	}
	return data{Data: b}, nil
}

// jsonCodec is ropewalk.v1.json.
type jsonCodec struct{}

func (jsonCodec) subprotocol() string { return string(JSON) }

func (jsonCodec) messageType() websocket.MessageType { return websocket.Text }

func (jsonCodec) encode(c *command) ([]byte, error) {
	var body bytes.Buffer
	e := json.NewEncoder(&body)
	e.SetEscapeHTML(false)
	if err := e.Encode(c.body); err != nil {
		return nil, fmt.Errorf("client: %s: %w", c.name, err)
	}
	return fmt.Appendf(nil, `{"id":%d,%q:%s}`, c.id, c.name, bytes.TrimSpace(body.Bytes())), nil
}

func (jsonCodec) decode(b []byte) (*message, error) {
	m := new(message)
	if err := json.Unmarshal(b, m); err != nil {
		return nil, fmt.Errorf("client: message of the server: %w", err)
	}
	return m, nil
}
