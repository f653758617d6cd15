package wsh2

import (
	"errors"
	"fmt"
	"net"

	"golang.org/x/net/http2"
)

// A ResetError says that the server has ended a stream with RST_STREAM (RFC 9113,
// section 6.4).
type ResetError struct {
	Code uint32 // of RFC 9113, section 7
}

func (e *ResetError) Error() string {
	return fmt.Sprintf("wsh2: the server has reset the stream: %v", http2.ErrCode(e.Code))
}

// A GoAwayError says that the server has ended the connection with GOAWAY
// (RFC 9113, section 6.8).
type GoAwayError struct {
	Code uint32 // of RFC 9113, section 7
}

func (e *GoAwayError) Error() string {
	return fmt.Sprintf("wsh2: the server has ended the connection: %v", http2.ErrCode(e.Code))
}

// A ProtocolError says that the server has broken the rules of HTTP/2. Its stream or
// its connection was ended with the code.
type ProtocolError struct {
	Code   uint32 // of RFC 9113, section 7
	Reason string
}

func (e *ProtocolError) Error() string {
	return fmt.Sprintf("wsh2: %v by the server: %s", http2.ErrCode(e.Code), e.Reason)
}

var (
	// errClosed is what calls on a stream return after its Close.
	errClosed = fmt.Errorf("wsh2: stream is closed: %w", net.ErrClosed)

	// errEnded is what Write returns after CloseWrite.
	errEnded = errors.New("wsh2: the sending direction is closed")

	// errNotProcessed says that a request can be sent again, for the server has not
	// looked at it (RFC 9113, section 8.7).
	errNotProcessed = errors.New("wsh2: the server has not processed the request")
)
