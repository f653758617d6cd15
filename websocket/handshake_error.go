package websocket

import (
	"net/http"

	"github.com/seed-15847954/ropewalk/websocket/internal/handshake"
)

// A HandshakeError says why an opening handshake did not lead to a connection
// (RFC 6455, section 4). [Accept], [Upgrade] and [Dial] return one for everything that
// the other side did wrong or refused. A BeforeUpgrade hook returns one to choose the
// answer to a request that it refuses.
type HandshakeError struct {
	// Status is the status of the answer: the one that Accept or Upgrade has sent, or
	// the one that Dial has received, from a proxy too. It is 0 where Dial got no answer
	// that could be read.
	Status int

	// Section is the section of RFC 6455 that was not met, such as "4.2.1", or
	// begins with another RFC's number. It is empty where an application refused.
	Section string

	// Reason says in one line what was wrong. Accept sends it to the client as the
	// body of the answer, so a hook writes nothing secret here.
	Reason string

	// Header is sent with the answer by Accept, and is that of the answer from Dial.
	Header http.Header

	// Err is the cause where there is one. It is not sent.
	Err error
}

func (e *HandshakeError) Error() string { return (*handshake.Error)(e).Error() }

// Unwrap returns e.Err.
func (e *HandshakeError) Unwrap() error { return e.Err }

// Versions returns the protocol versions in e.Header that the server says it
// speaks, where the one asked for is not among them (RFC 6455, section 4.4).
// This package speaks "13" alone.
func (e *HandshakeError) Versions() []string { return handshake.Versions(e.Header) }
