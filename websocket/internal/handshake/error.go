package handshake

import (
	"fmt"
	"net/http"
)

// An Error is a departure from the opening handshake. Its fields are those of
// websocket.HandshakeError, which documents them.
type Error struct {
	Status  int
	Section string
	Reason  string
	Header  http.Header
	Err     error
}

func (e *Error) Error() string {
	s := "websocket: handshake: " + e.Reason
	switch {
	case e.Section == "":
	case e.Section[0] == 'R':
		s += " (" + e.Section + ")"
	default:
		s += " (RFC 6455, section " + e.Section + ")"
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns e.Err.
func (e *Error) Unwrap() error { return e.Err }

// refusef is what a server refuses a request with.
func refusef(status int, section, format string, args ...any) *Error {
	return &Error{Status: status, Section: section, Reason: fmt.Sprintf(format, args...)}
}

// badRequestf refuses a request that is not the handshake of RFC 6455.
func badRequestf(section, format string, args ...any) *Error {
	return refusef(http.StatusBadRequest, section, format, args...)
}
