// Package deflate compresses and decompresses the messages of permessage-deflate
// (RFC 7692). It does no I/O and knows no frames: payloads in, payloads out.
package deflate

// Params are the parameters of permessage-deflate that a handshake agreed
// (RFC 7692, section 7.1). Window bits are 8 to 15; zero means 15.
type Params struct {
	ServerNoContextTakeover bool
	ClientNoContextTakeover bool
	ServerMaxWindowBits     int
	ClientMaxWindowBits     int
}
