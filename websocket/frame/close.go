package frame

import (
	"encoding/binary"
	"strconv"
	"unicode/utf8"
)

// A CloseCode says why a connection ended (RFC 6455, section 7.4).
type CloseCode uint16

// The codes of section 7.4.1 and of the registry that section 11.7 opened.
const (
	CloseNormal             CloseCode = 1000
	CloseGoingAway          CloseCode = 1001
	CloseProtocolError      CloseCode = 1002
	CloseUnsupportedData    CloseCode = 1003
	CloseNoStatus           CloseCode = 1005 // never sent: a Close frame without a code reads as this
	CloseAbnormal           CloseCode = 1006 // never sent: no Close frame came at all
	CloseInvalidPayload     CloseCode = 1007
	ClosePolicyViolation    CloseCode = 1008
	CloseMessageTooBig      CloseCode = 1009
	CloseMandatoryExtension CloseCode = 1010 // sent by clients only
	CloseInternalError      CloseCode = 1011
	CloseServiceRestart     CloseCode = 1012
	CloseTryAgainLater      CloseCode = 1013
	CloseBadGateway         CloseCode = 1014
	CloseTLSHandshake       CloseCode = 1015 // never sent: the TLS handshake failed
)

// MaxCloseReason is the longest reason, in bytes, that a Close frame holds: a
// control frame's 125 less the two of the code (RFC 6455, sections 5.5 and 5.5.1).
const MaxCloseReason = MaxControlPayload - 2

// Sendable reports whether c may stand in a Close frame (RFC 6455, section 7.4):
// the defined codes of 1000 to 1014 but for 1004, 1005 and 1006, and 3000 to 4999.
func (c CloseCode) Sendable() bool {
	switch {
	case c >= 1000 && c <= 1003, c >= 1007 && c <= 1014:
		return true
	default:
		return c >= 3000 && c <= 4999
	}
}

// String names the code as "1002 protocol error", or gives the number alone
// where the registry has no name.
func (c CloseCode) String() string {
	n := strconv.Itoa(int(c))
	if name := c.name(); name != "" {
		return n + " " + name
	}
	return n
}

func (c CloseCode) name() string {
	switch c {
	case CloseNormal:
		return "normal closure"
	case CloseGoingAway:
		return "going away"
	case CloseProtocolError:
		return "protocol error"
	case CloseUnsupportedData:
		return "unsupported data"
	case CloseNoStatus:
		return "no status received"
	case CloseAbnormal:
		return "abnormal closure"
	case CloseInvalidPayload:
		return "invalid payload data"
	case ClosePolicyViolation:
		return "policy violation"
	case CloseMessageTooBig:
		return "message too big"
	case CloseMandatoryExtension:
		return "mandatory extension missing"
	case CloseInternalError:
		return "internal error"
	case CloseServiceRestart:
		return "service restart"
	case CloseTryAgainLater:
		return "try again later"
	case CloseBadGateway:
		return "bad gateway"
	case CloseTLSHandshake:
		return "TLS handshake failure"
	}
	return ""
}

// ParseClose decodes the payload of a Close frame. An empty payload gives
// CloseNoStatus (RFC 6455, section 7.1.5). The error is an *Error.
func ParseClose(p []byte) (CloseCode, string, error) {
	if len(p) == 0 {
		return CloseNoStatus, "", nil
	}
	// 5.5.1: if there is a body, its first two bytes are the code.
	if len(p) == 1 {
		return 0, "", protocolErrorf("5.5.1", "close payload of 1 byte")
	}
	code := CloseCode(binary.BigEndian.Uint16(p))
	if !code.Sendable() {
		return 0, "", protocolErrorf("7.4", "close code %d", uint16(code))
	}
	reason := p[2:]
	if !utf8.Valid(reason) {
		return 0, "", &Error{Code: CloseInvalidPayload, Section: "8.1", Reason: "close reason is not UTF-8"}
	}
	return code, string(reason), nil
}

// AppendClose appends the payload of a Close frame. CloseNoStatus appends
// nothing, for that is how it is said on the wire. A reason that is too long or
// is not UTF-8 is made to fit by CutReason. Whether the code is Sendable is for
// the caller to check.
func AppendClose(dst []byte, code CloseCode, reason string) []byte {
	if code == CloseNoStatus {
		return dst
	}
	dst = binary.BigEndian.AppendUint16(dst, uint16(code))
	return append(dst, CutReason(reason)...)
}
