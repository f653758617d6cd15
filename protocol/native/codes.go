package native

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/seed-15847954/ropewalk/hub"
	"github.com/seed-15847954/ropewalk/session"
	"github.com/seed-15847954/ropewalk/websocket"
)

// This file is the registry of the codes that stand in docs/reference/protocol.md.
// A code never changes its meaning.

// An ErrorCode says why a command failed. The connection lives on.
type ErrorCode string

// The error codes.
const (
	BadRequest           ErrorCode = "bad_request"
	UnknownCommand       ErrorCode = "unknown_command"
	AlreadyConnected     ErrorCode = "already_connected"
	BadChannel           ErrorCode = "bad_channel"
	BadPattern           ErrorCode = "bad_pattern"
	AlreadySubscribed    ErrorCode = "already_subscribed"
	NotSubscribed        ErrorCode = "not_subscribed"
	TooManySubscriptions ErrorCode = "too_many_subscriptions"
	DataTooBig           ErrorCode = "data_too_big"
	Unavailable          ErrorCode = "unavailable"
	Conflict             ErrorCode = "conflict"
	NoHistory            ErrorCode = "no_history"
	NoPresence           ErrorCode = "no_presence"
	NoPatterns           ErrorCode = "no_patterns"
	TooManySubscribers   ErrorCode = "too_many_subscribers"
	InsufficientState    ErrorCode = "insufficient_state"
	UnknownMethod        ErrorCode = "unknown_method"
	NotSupported         ErrorCode = "not_supported"
	Internal             ErrorCode = "internal"
	Unsubscribed         ErrorCode = "unsubscribed"
)

// ErrorCodes lists every error code with what it means and whether the same
// command may succeed later.
var ErrorCodes = []struct {
	Code    ErrorCode
	Retry   bool
	Meaning string
}{
	{BadRequest, false, "the command's body is not as this document has it"},
	{UnknownCommand, false, "the server has no such command"},
	{AlreadyConnected, false, "connect was sent twice"},
	{BadChannel, false, "the channel's name is not allowed"},
	{BadPattern, false, "the pattern is not allowed"},
	{AlreadySubscribed, false, "the session is subscribed to the channel already"},
	{NotSubscribed, false, "the session is not subscribed to the channel"},
	{TooManySubscriptions, false, "the session is subscribed to as many channels as it may be"},
	{DataTooBig, false, "the data of the publication is too big"},
	{Unavailable, true, "the broker did not answer in time; a publication may have been taken all the same"},
	{Conflict, false, "the channel is not at the position that the publication expects"},
	{NoHistory, false, "the channel keeps no history"},
	{NoPresence, false, "the channel keeps no presence"},
	{NoPatterns, false, "the server's broker has no patterns"},
	{TooManySubscribers, true, "the channel has as many subscribers as it may have"},
	{InsufficientState, true, "publications are missing: subscribing again from the last position tells which"},
	{UnknownMethod, false, "the server has no such method"},
	{NotSupported, false, "the server does not do this"},
	{Internal, true, "the method failed"},
	{Unsubscribed, false, "a back end ended the subscription"},
}

// An Error is the answer to a command that failed.
type Error struct {
	Code    ErrorCode
	Message string // for developers, in English
	Retry   bool   // the same command may succeed later
}

func (e *Error) Error() string { return string(e.Code) + ": " + e.Message }

func errorf(code ErrorCode, format string, args ...any) *Error {
	e := &Error{Code: code, Message: fmt.Sprintf(format, args...)}
	for _, entry := range ErrorCodes {
		if entry.Code == code {
			e.Retry = entry.Retry
		}
	}
	return e
}

// known are errors of lower floors that clients are told. Those with text of the
// floor itself are told in full, others may have come from a broker.
var known = []struct {
	err  error
	code ErrorCode
	full bool
}{
	{hub.ErrPattern, BadPattern, true}, // may wrap ErrChannelName
	{hub.ErrChannelName, BadChannel, true},
	{hub.ErrAlreadySubscribed, AlreadySubscribed, true},
	{hub.ErrNotSubscribed, NotSubscribed, true},
	{session.ErrTooManySubscriptions, TooManySubscriptions, true},
	{hub.ErrDataTooBig, DataTooBig, true},
	{hub.ErrText, BadRequest, true},
	{hub.ErrConflict, Conflict, false},
	{hub.ErrNoHistory, NoHistory, false},
	{hub.ErrNoPresence, NoPresence, false},
	{hub.ErrNoPatterns, NoPatterns, false},
	{hub.ErrTooManySubscribers, TooManySubscribers, false},
	{hub.ErrGap, InsufficientState, false},
	{hub.ErrEpoch, InsufficientState, false},
	{hub.ErrTrimmed, InsufficientState, false},
}

// commandError turns an error of a session into the answer to its command. What a
// broker says of its own is not for clients: it may name hosts and keys.
func commandError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	for _, k := range known {
		switch {
		case !errors.Is(err, k.err):
		case k.full:
			return errorf(k.code, "%v", err)
		default:
			return errorf(k.code, "%v", k.err)
		}
	}
	return errorf(Unavailable, "the broker did not answer")
}

// A Disconnect is why the server ends a connection: a close code with its reason.
// Codes 4000 to 4099 invite the client to come back, 4100 to 4199 tell it that
// coming back changes nothing.
type Disconnect struct {
	Code   websocket.CloseCode
	Reason string
	Retry  bool // come back, later
}

// The disconnects that the protocol sends. Others come from RFC 6455 itself.
var (
	GoingAway       = Disconnect{websocket.CloseGoingAway, "server is shutting down", true}
	UnsupportedData = Disconnect{websocket.CloseUnsupportedData, "wrong type of message", false}
	MessageTooBig   = Disconnect{websocket.CloseMessageTooBig, "message too big", false}
	SlowConsumer    = Disconnect{4000, "slow consumer", true}
	ConnectTimeout  = Disconnect{4001, "no connect in time", true}
	Ended           = Disconnect{4002, "disconnected", true}
	BadMessage      = Disconnect{4100, "bad message", false}
	ConnectExpected = Disconnect{4101, "connect expected", false}
	IDNotRising     = Disconnect{4102, "command id not rising", false}
	TakenOver       = Disconnect{4103, "resumed over another connection", false}
	EndedForGood    = Disconnect{4104, "disconnected for good", false}
)

// Disconnects lists every disconnect with what it means.
var Disconnects = []struct {
	Disconnect
	Meaning string
}{
	{GoingAway, "the server, or this node of it, is going away"},
	{UnsupportedData, "a message came that is not of the type that the subprotocol has: text for JSON, binary for Protocol Buffers"},
	{MessageTooBig, "a message came that is longer than allowed"},
	{SlowConsumer, "the client did not take its messages in time, and its queue overflowed"},
	{ConnectTimeout, "the connection was opened and `connect` did not follow"},
	{Ended, "a back end ended the connection; the reason is its own if it gave one"},
	{BadMessage, "a message came that is no command: not JSON, too deep, or not of the right shape"},
	{ConnectExpected, "a command came before `connect`"},
	{IDNotRising, "a command came whose id is not greater than the one before"},
	{TakenOver, "the client resumed its session over another connection"},
	{EndedForGood, "a back end ended the connection; the reason is its own if it gave one"},
}

// Error makes a Disconnect the cause that a session is closed with.
func (d Disconnect) Error() string { return fmt.Sprintf("%d %s", d.Code, d.Reason) }

// Disconnected is why a back end ends a connection, for a reason of its own if that
// is not empty.
func Disconnected(reason string, retry bool) Disconnect {
	d := EndedForGood
	if retry {
		d = Ended
	}
	if reason != "" {
		d.Reason = reason
	}
	return d
}

// EndedByServer is why a back end ends a subscription.
func EndedByServer() *Error { return errorf(Unsubscribed, "a back end ended the subscription") }

// because returns d with the detail in its reason.
func (d Disconnect) because(detail error) Disconnect {
	d.Reason += ": " + detail.Error()
	return d
}

// maxAfter bounds the time after which a client is advised to come back.
// RFC 6455, section 7.2.3 suggests up to 5 seconds.
const maxAfter = 5 * time.Second

// Resumable reports whether the session may be resumed.
func (d Disconnect) Resumable() bool { return d.Retry }

// advice returns how long a client is advised to stay away that was disconnected for
// cause. It is random, so that clients who were disconnected together do not return
// together; a shutdown knows how many they are.
func advice(d Disconnect, cause error) time.Duration {
	if s, ok := errors.AsType[*session.Shutdown](cause); ok {
		return s.After
	}
	if !d.Retry {
		return 0
	}
	return rand.N(maxAfter)
}

// disconnect returns what the client is told about a session's end. It is not ok
// when the connection ended first, and there is nobody left to tell.
func disconnect(cause error) (d Disconnect, ok bool) {
	switch {
	case errors.As(cause, &d):
		return d, true
	case errors.Is(cause, session.ErrSlowConsumer):
		return SlowConsumer, true
	case errors.Is(cause, session.ErrTakenOver):
		return TakenOver, true
	case errors.Is(cause, session.ErrShutdown):
		return GoingAway, true
	}
	return d, false
}
