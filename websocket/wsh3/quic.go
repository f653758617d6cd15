package wsh3

import (
	"time"

	"github.com/quic-go/quic-go"
)

const (
	// maxStreams is how many WebSockets one QUIC connection carries.
	maxStreams = 100
	// streamWindow is how many bytes of one stream may be on their way.
	streamWindow = 128 << 10
)

// QUICConfig returns QUIC settings for connections that carry WebSockets, for
// http3.Server and for [Transport], which has them by default. The caller may
// change the result. They differ from those of quic-go in this:
//
//   - Each of 100 streams may have 128 KiB on the way, and the connection as much as
//     all of them together. So streams that nobody reads never stop another one. Whoever
//     raises MaxIncomingStreams or MaxStreamReceiveWindow raises
//     InitialConnectionReceiveWindow and MaxConnectionReceiveWindow with them.
//   - A connection on which nothing happens is kept alive by a packet every 15
//     seconds; else QUIC would give it up after 30.
//   - There is no early data (0-RTT).
func QUICConfig() *quic.Config {
	const all = (maxStreams + 8) * streamWindow // some more for streams of HTTP/3 itself
	return &quic.Config{
		MaxIncomingStreams:             maxStreams,
		InitialStreamReceiveWindow:     streamWindow,
		MaxStreamReceiveWindow:         streamWindow,
		InitialConnectionReceiveWindow: all,
		MaxConnectionReceiveWindow:     all,
		KeepAlivePeriod:                15 * time.Second,
	}
}
