package websocket

import (
	"fmt"
	"net"

	"github.com/seed-15847954/ropewalk/websocket/frame"
)

// A CloseCode says why a connection ended (RFC 6455, section 7.4).
type CloseCode = frame.CloseCode

// The close codes of RFC 6455, section 7.4.1, and of the registry that its
// section 11.7 opened. Applications use 4000 to 4999, libraries 3000 to 3999.
const (
	CloseNormal             = frame.CloseNormal
	CloseGoingAway          = frame.CloseGoingAway
	CloseProtocolError      = frame.CloseProtocolError
	CloseUnsupportedData    = frame.CloseUnsupportedData
	CloseNoStatus           = frame.CloseNoStatus
	CloseAbnormal           = frame.CloseAbnormal
	CloseInvalidPayload     = frame.CloseInvalidPayload
	ClosePolicyViolation    = frame.ClosePolicyViolation
	CloseMessageTooBig      = frame.CloseMessageTooBig
	CloseMandatoryExtension = frame.CloseMandatoryExtension
	CloseInternalError      = frame.CloseInternalError
	CloseServiceRestart     = frame.CloseServiceRestart
	CloseTryAgainLater      = frame.CloseTryAgainLater
	CloseBadGateway         = frame.CloseBadGateway
	CloseTLSHandshake       = frame.CloseTLSHandshake
)

// A CloseError says how a connection ended. Every method of a Conn that has
// ended returns an error that wraps the same CloseError, and so does
// context.Cause of its Context. errors.Is(err, net.ErrClosed) holds for it.
type CloseError struct {
	// Code is the code of the Close frame that decided: CloseNoStatus when it
	// carried none, CloseAbnormal when none came (RFC 6455, section 7.1.5).
	Code CloseCode

	// Reason is the text in the Close frame. It is for logs, not for end users
	// (RFC 6455, section 5.5.1), and may hold anything that UTF-8 can.
	Reason string

	// Remote reports whether the peer ended the connection: it sent Close first,
	// or its side of the transport went away.
	Remote bool

	// Err is the cause where there is one: what the peer did wrong, or what the
	// transport said.
	Err error
}

func (e *CloseError) Error() string {
	side := "local"
	if e.Remote {
		side = "remote"
	}
	s := fmt.Sprintf("websocket: closed by %s: %v", side, e.Code)
	if e.Reason != "" {
		s += fmt.Sprintf(" %q", e.Reason)
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns e.Err.
func (e *CloseError) Unwrap() error { return e.Err }

// Is reports whether target is net.ErrClosed.
func (e *CloseError) Is(target error) bool { return target == net.ErrClosed }
