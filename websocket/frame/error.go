package frame

import "fmt"

// An Error is a violation of the protocol by a peer. The connection is failed
// with its code (RFC 6455, section 7.1.7).
type Error struct {
	Code    CloseCode
	Section string // of RFC 6455, such as "5.2", or with its number of another RFC
	Reason  string
}

func (e *Error) Error() string {
	return fmt.Sprintf("%s (section %s)", e.Reason, e.Section)
}

func protocolErrorf(section, format string, args ...any) *Error {
	return &Error{Code: CloseProtocolError, Section: section, Reason: fmt.Sprintf(format, args...)}
}
