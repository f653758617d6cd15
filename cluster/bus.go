// Package cluster makes the nodes that share a broker one server: who there is, what one
// asks all others, and who is present in a channel where the broker does not keep that.
package cluster

import "context"

// MaxMessage bounds a message of a [Bus], in bytes.
const MaxMessage = 256 << 10

// A Bus carries small messages between the nodes that share a broker. A broker that is
// one has room in it for some hundred messages a second.
// All methods may be called at once by many goroutines.
type Bus interface {
	// Broadcast hands message, of 1 to [MaxMessage] bytes, to every node that listens, this
	// one included: each message at most once, and those of one sender in their order. A
	// node that has lost its connection misses what is said meanwhile. Without an error
	// the broker has taken it.
	Broadcast(ctx context.Context, message []byte) error

	// Listen has what is said from now on handed to hear, one message at a time, until
	// the broker is closed. It returns when that is in effect. hear does not block and does not call the
	// broker, and nobody changes the message. A second Listen replaces hear.
	Listen(ctx context.Context, hear func(message []byte)) error
}
