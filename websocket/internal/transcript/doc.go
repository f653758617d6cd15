// Package transcript replays conversations with a peer: what it sends, and what a
// connection must make of it. The conversations stand in testdata, with the rows of
// the conformance table that they check. A [Carrier] says what they are carried by, so
// that those of RFC 6455 and RFC 7692 hold over a stream in memory, over one of HTTP/2
// (RFC 8441) and over one of HTTP/3 (RFC 9220).
//
// A case is a block of lines. The first names the role that the connection plays
// (server, client, or both for once each) and options (deflate, no-takeover,
// server-no-takeover, client-no-takeover, max=N, fragments=N, control=N,
// time=DURATION). The server's pings are off. The option $=A,B,... runs the
// case once for each value, with $ replaced by it. Steps follow, each with what it
// must cause behind "----":
//
//	recv ITEM...           the peer sends, in one piece, bytes in HEX and frames:
//	                       [HH PAYLOAD] is one whose first byte is HH, masked as it
//	                       is due
//	write text|binary PAYLOAD            the application sends a message
//	write-plain text|binary PAYLOAD      ... that is not to be compressed
//	stream text|binary PAYLOAD...        ... in fragments
//	ping                   the application pings
//	close CODE [REASON]    the application starts the closing handshake
//	wait DURATION          time passes
//	eof                    the peer ends its side of the transport
//
//	event text|binary PAYLOAD   the application reads a message
//	event close CODE            ... or the end, as CloseError says it: "by us" unless remote
//	event pong DURATION         Ping returns
//	event closed [ERROR]        Close returns
//	event error ERROR           another call fails
//	send HH PAYLOAD        the peer receives this frame, shown without its mask
//	send close CODE TEXT   ... a Close frame
//	end                    the peer sees the orderly end of the transport
//	reset                  the peer sees that the transport was given up
//
// A payload is "quoted", hex:... or the close code code:N, and *N behind it repeats
// it. Outcomes stand in the order: what the application reads, what its calls
// return, what the peer sees. One that ends in "..." is the start of one, and one
// behind "server:" or "client:" is of that role alone. Where a [Reason] makes a
// carrier different, "with REASON:" is in front of what happens there alone, and "but
// REASON:" in front of what happens everywhere else.
package transcript
