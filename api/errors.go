package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"connectrpc.com/connect"

	"github.com/seed-15847954/ropewalk/api/apipb"
	"github.com/seed-15847954/ropewalk/hub"
	"github.com/seed-15847954/ropewalk/session"
)

// A Reason says why a call failed, for programs. It never changes its meaning.
type Reason string

// The reasons.
const (
	BadRequest           Reason = "bad_request"
	BadChannel           Reason = "bad_channel"
	BadPattern           Reason = "bad_pattern"
	DataTooBig           Reason = "data_too_big"
	RequestTooBig        Reason = "request_too_big"
	Conflict             Reason = "conflict"
	OtherEpoch           Reason = "epoch"
	NoHistory            Reason = "no_history"
	NoPresence           Reason = "no_presence"
	NoClient             Reason = "no_client"
	TooManySubscriptions Reason = "too_many_subscriptions"
	TooManySubscribers   Reason = "too_many_subscribers"
	Indeterminate        Reason = "indeterminate"
	Unavailable          Reason = "unavailable"
	NodeSilent           Reason = "node_silent"
	ForeignOrigin        Reason = "foreign_origin"
	NoMethod             Reason = "no_method"
	UsePost              Reason = "use_post"
	ContentType          Reason = "content_type"
)

// A ReasonInfo is what goes with a reason.
type ReasonInfo struct {
	Reason Reason

	// Code is that of the error in the Connect protocol and gRPC.
	Code connect.Code

	// Status is that of the answer under /api.
	Status int

	// Retry says that the same call may succeed later.
	Retry bool

	// Meaning is for the documentation.
	Meaning string
}

// Reasons lists every reason.
var Reasons = []ReasonInfo{
	{BadRequest, connect.CodeInvalidArgument, http.StatusBadRequest, false, "the request is not as this document has it"},
	{BadChannel, connect.CodeInvalidArgument, http.StatusBadRequest, false, "the channel's name is not allowed"},
	{BadPattern, connect.CodeInvalidArgument, http.StatusBadRequest, false, "the pattern is not allowed"},
	{DataTooBig, connect.CodeResourceExhausted, http.StatusRequestEntityTooLarge, false, "the data is too big"},
	{RequestTooBig, connect.CodeResourceExhausted, http.StatusRequestEntityTooLarge, false, "the request is too big, or holds too many things"},
	{Conflict, connect.CodeAborted, http.StatusConflict, false, "the channel is not at the expected position; nothing was published"},
	{OtherEpoch, connect.CodeFailedPrecondition, http.StatusConflict, false, "the position is of another life of the channel's log"},
	{NoHistory, connect.CodeFailedPrecondition, http.StatusConflict, false, "the channel keeps no history"},
	{NoPresence, connect.CodeFailedPrecondition, http.StatusConflict, false, "the channel keeps no presence"},
	{NoClient, connect.CodeNotFound, http.StatusNotFound, false, "no such client is connected"},
	{TooManySubscriptions, connect.CodeResourceExhausted, http.StatusTooManyRequests, false, "the client is subscribed to as many channels as it may be"},
	{TooManySubscribers, connect.CodeResourceExhausted, http.StatusTooManyRequests, true, "the channel has as many subscribers as it may have"},
	{Indeterminate, connect.CodeUnavailable, http.StatusServiceUnavailable, true, "nobody knows whether the message was taken; the same call with the same id settles it"},
	{Unavailable, connect.CodeUnavailable, http.StatusServiceUnavailable, true, "the broker did not answer, and no message was taken"},
	{NodeSilent, connect.CodeUnavailable, http.StatusServiceUnavailable, true, "a node of the cluster did not answer; nobody knows whether it did what was asked"},
	{ForeignOrigin, connect.CodePermissionDenied, http.StatusForbidden, false, "the request comes from a page of another origin"},
	{NoMethod, connect.CodeUnimplemented, http.StatusNotFound, false, "there is no such method"},
	{UsePost, connect.CodeUnimplemented, http.StatusMethodNotAllowed, false, "the HTTP method is not POST"},
	{ContentType, connect.CodeInvalidArgument, http.StatusUnsupportedMediaType, false, "the content type is not one that the path takes"},
}

// info returns what goes with the reason.
func (r Reason) info() ReasonInfo {
	for _, i := range Reasons {
		if i.Reason == r {
			return i
		}
	}
	panic("api: no such reason: " + string(r))
}

// An Error is why a call failed.
type Error struct {
	Reason   Reason
	Message  string        // for developers, in English
	Position *hub.Position // where the channel is, if that is why
}

func (e *Error) Error() string { return string(e.Reason) + ": " + e.Message }

func errorf(reason Reason, format string, args ...any) *Error {
	return &Error{Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// at adds where the channel is, if that is known.
func (e *Error) at(pos hub.Position) *Error {
	if pos.Epoch != "" {
		e.Position = &pos
	}
	return e
}

// known are errors of lower floors that the caller is told. Those with text of the
// floor itself are told in full, others may have come from a broker.
var known = []struct {
	err    error
	reason Reason
	full   bool
}{
	{hub.ErrPattern, BadPattern, true}, // may wrap ErrChannelName
	{hub.ErrChannelName, BadChannel, true},
	{hub.ErrDataTooBig, DataTooBig, true},
	{hub.ErrText, BadRequest, true},
	{hub.ErrConflict, Conflict, false},
	{hub.ErrEpoch, OtherEpoch, false},
	{hub.ErrNoHistory, NoHistory, false},
	{hub.ErrNoPresence, NoPresence, false},
	{hub.ErrTooManySubscribers, TooManySubscribers, false},
	{session.ErrTooManySubscriptions, TooManySubscriptions, true},
}

// explain returns err as the caller is told it. What a broker says of its own is
// not for callers: it may name hosts and keys.
func explain(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if errors.Is(err, hub.ErrIndeterminate) {
		return errorf(Indeterminate, "the broker did not say whether it took the message")
	}
	for _, k := range known {
		switch {
		case !errors.Is(err, k.err):
		case k.full:
			return errorf(k.reason, "%v", err)
		default:
			return errorf(k.reason, "%v", k.err)
		}
	}
	return errorf(Unavailable, "the broker did not answer")
}

// ended reports whether err comes from the end of the call's time.
func ended(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

// rpc returns e as an error of the Connect protocol.
func (e *Error) rpc() *connect.Error {
	info := e.Reason.info()
	out := connect.NewError(info.Code, errors.New(e.Message))
	detail, err := connect.NewErrorDetail(&apipb.ErrorDetail{
		Reason: string(e.Reason), Retry: info.Retry, Position: positionOf(e.Position),
	})
	if err == nil { // always: the message is one of ours
		out.AddDetail(detail)
	}
	return out
}

// ReasonOf returns the reason that a client of the Connect protocol or gRPC finds in
// an error, and "" where there is none: those that the protocols send themselves
// have a code alone.
func ReasonOf(err error) Reason {
	e, ok := errors.AsType[*connect.Error](err)
	if !ok {
		return ""
	}
	for _, d := range e.Details() {
		m, err := d.Value()
		if detail, ok := m.(*apipb.ErrorDetail); ok && err == nil {
			return Reason(detail.Reason)
		}
	}
	return ""
}

// message returns e as it stands in a body or among results.
func (e *Error) message() *apipb.Error {
	info := e.Reason.info()
	return &apipb.Error{
		Code: info.Code.String(), Reason: string(e.Reason), Message: e.Message,
		Retry: info.Retry, Position: positionOf(e.Position),
	}
}

// positionOf returns pos for a message; nil for none.
func positionOf(pos *hub.Position) *apipb.Position {
	if pos == nil {
		return nil
	}
	return &apipb.Position{Epoch: pos.Epoch, Offset: pos.Offset}
}
