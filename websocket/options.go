package websocket

import (
	"context"
	"time"

	"github.com/seed-15847954/ropewalk/websocket/internal/deflate"
)

// A Role is the side of the connection that an endpoint plays. It decides who
// masks (RFC 6455, section 5.1) and who closes TCP first (section 7.1.1).
type Role uint8

// The two roles.
const (
	Server Role = iota
	Client
)

// String returns "server" or "client".
func (r Role) String() string {
	if r == Client {
		return "client"
	}
	return "server"
}

// Limits bounds what a peer can make a connection hold or do. The zero value is
// the default, which is safe for peers nobody knows. In each field zero means
// the default and a negative value means no bound.
//
// A peer that breaks a limit is sent a Close frame with the code named there,
// and the connection is failed.
type Limits struct {
	// MaxMessageSize is the largest message that is received, in bytes after
	// decompression (RFC 6455, section 10.4). Zero means 1 MiB. Close code 1009.
	// Memory follows what has arrived, never the length that a frame declares.
	MaxMessageSize int64

	// MaxFragments is the largest number of frames, empty ones included, that one
	// message may come in. Zero means 131,072. Close code 1008.
	MaxFragments int

	// MaxDecompressionRatio is the largest number of bytes that a compressed
	// message may grow to for each byte received. It is looked at once a message
	// has grown past 16 MiB; below that MaxMessageSize alone decides.
	// Zero means 100. Close code 1009.
	MaxDecompressionRatio int

	// MaxControlRate is the number of control frames (Ping, Pong) a second that a
	// peer may go on sending; ten times as many may come in a burst.
	// Zero means 1,000. Close code 1008.
	MaxControlRate int

	// MaxMessageTime is how long the fragments of one message may take to arrive.
	// Zero means 5 minutes. Close code 1008.
	MaxMessageTime time.Duration
}

// KeepAlive configures the pings that find out whether a silent peer is still
// there. Any bytes from the peer, not only pongs, count as a sign of life. A
// peer that stays silent fails the connection with [CloseAbnormal] and an error
// for which errors.Is(err, os.ErrDeadlineExceeded) holds.
//
// Signs of life are seen by a reader: while nobody is in Read the
// connection is pinged but not given up, for then silence proves nothing.
type KeepAlive struct {
	// Interval is the silence after which a Ping is sent. Zero means 30 seconds
	// on a server and never on a client, which does not close of its own accord
	// (RFC 6455, section 7.3); a negative value means never.
	Interval time.Duration

	// Timeout is how long after such a Ping the peer may stay silent.
	// Zero means 30 seconds; a negative value means for ever.
	Timeout time.Duration
}

// Compression configures permessage-deflate (RFC 7692). Where it is nil the
// extension is neither offered nor accepted.
//
// Compressing a secret next to text that an attacker chooses leaks the secret
// through the length (RFC 7692, section 8): leave compression off for such
// messages, see [Conn.WriteUncompressed].
type Compression struct {
	// Threshold is the size in bytes from which a message is compressed.
	// Zero means 64; a negative value means that every message is. Where compression
	// does not make a message shorter, it is sent as it is.
	Threshold int

	// NoContextTakeover compresses each sent message on its own, which saves
	// memory and costs compression.
	NoContextTakeover bool

	// PeerNoContextTakeover has the peer do the same: a server's answer demands it,
	// a client's offer asks for it.
	PeerNoContextTakeover bool

	// WindowBits bounds the window used to compress sent messages, 8 to 15.
	// Zero means 15, the 32 KiB of RFC 7692, section 7.1.2.
	WindowBits int

	// PeerWindowBits bounds the window the peer may use, 8 to 15. Zero means 15.
	// A server can bound only a client that offered to be bounded.
	PeerWindowBits int
}

// Params says what an opening handshake has agreed, for [NewConn].
type Params struct {
	// Context gives Conn.Context its values. Its cancellation is not followed.
	// Nil means context.Background().
	Context context.Context

	// Subprotocol is the one agreed, or empty.
	Subprotocol string

	// Deflate is what was agreed about permessage-deflate (RFC 7692).
	// Nil means that the extension is not in use.
	Deflate *DeflateParams

	// CompressionThreshold is Compression.Threshold.
	CompressionThreshold int

	// Received holds bytes that came behind the handshake and were read together
	// with it. NewConn takes the slice over.
	Received []byte

	Limits    Limits
	KeepAlive KeepAlive

	// OnPing and OnPong, if not nil, are called by the reader for each Ping and Pong
	// that comes, before a Ping is answered. They must not block, keep the payload,
	// or read from the connection.
	OnPing, OnPong func(payload []byte)

	// Queue bounds what Send leaves waiting.
	Queue Queue

	// CloseTimeout is how long Close waits for the peer, and how long a Close
	// frame may take to be sent. Zero means 5 seconds.
	CloseTimeout time.Duration
}

// DeflateParams are the agreed parameters of permessage-deflate (RFC 7692,
// section 7.1). Window bits are 8 to 15; zero means 15.
type DeflateParams = deflate.Params
