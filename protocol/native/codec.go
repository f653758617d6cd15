package native

import (
	"time"

	"github.com/seed-15847954/ropewalk/hub"
	"github.com/seed-15847954/ropewalk/session"
	"github.com/seed-15847954/ropewalk/websocket"
)

// A codec is one encoding of the protocol. Everything that it makes is a *packet.
type codec interface {
	session.Codec

	// messageType is the type of WebSocket messages.
	messageType() websocket.MessageType

	// decode reads one message of a client, at most maxCommands commands. The error is a
	// Disconnect. The commands share nothing with b.
	decode(b []byte, maxData int) ([]command, error)

	// Replies, by the id of the command.
	connected(id uint64, c connection) hub.Packet
	subscribed(id uint64, st session.Start) hub.Packet
	published(id uint64, p hub.Published) hub.Packet
	history(id uint64, page hub.Page) hub.Packet
	presence(id uint64, members []hub.Member, more bool) hub.Packet
	counted(id uint64, clients, users int) hub.Packet
	result(id uint64, data []byte, contentType string) hub.Packet
	done(id uint64, name string) hub.Packet
	failed(id uint64, e *Error) hub.Packet

	// disconnect is the push that ends a connection; after is how long the client is
	// advised to stay away, if it is to come back.
	disconnect(d Disconnect, after time.Duration) hub.Packet
}

// A connection is the reply to connect.
type connection struct {
	identity      session.Identity
	node          string
	resumed       bool
	subscriptions []subscribeResult
	ping          uint32 // milliseconds
}

// A subscribeResult is one of the subscriptions that came with connect.
type subscribeResult struct {
	start session.Start
	err   *Error
}

// The names of the encodings in Sec-WebSocket-Protocol.
const (
	Subprotocol         = "ropewalk.v1.json"
	SubprotocolProtobuf = "ropewalk.v1.protobuf"
)

// codecFor returns the codec of a subprotocol; that of JSON for none.
func codecFor(subprotocol string) codec {
	if subprotocol == SubprotocolProtobuf {
		return protobufCodec{}
	}
	return jsonCodec{}
}

// unsubscribedError says why the server has ended a subscription, and that the client may
// come back where that helps.
func unsubscribedError(cause error) *Error {
	e := commandError(cause)
	if e.Code == Unavailable {
		return errorf(InsufficientState, "publications are missing")
	}
	return e
}
