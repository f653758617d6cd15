package protocol

import (
	"fmt"

	"github.com/seed-15847954/ropewalk/websocket/frame"
)

var errNotUTF8 = &frame.Error{Code: frame.CloseInvalidPayload, Section: "8.1", Reason: "text is not UTF-8"}

func protocolErrorf(section, format string, args ...any) error {
	return &frame.Error{Code: frame.CloseProtocolError, Section: section, Reason: fmt.Sprintf(format, args...)}
}

// policyErrorf makes the error for an excess that RFC 6455, section 10.4, leaves
// to the endpoint to bound.
func policyErrorf(format string, args ...any) error {
	return &frame.Error{Code: frame.ClosePolicyViolation, Section: "10.4", Reason: fmt.Sprintf(format, args...)}
}
