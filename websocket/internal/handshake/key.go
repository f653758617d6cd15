package handshake

import (
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
)

// keySize is the number of random octets in a Sec-WebSocket-Key (RFC 6455,
// section 4.1).
const keySize = 16

// NewKey returns a fresh Sec-WebSocket-Key.
func NewKey() string {
	var nonce [keySize]byte
	_, _ = rand.Read(nonce[:]) // documented never to fail
	return base64.StdEncoding.EncodeToString(nonce[:])
}

// ValidKey reports whether key is base64 of 16 octets.
func ValidKey(key string) bool {
	// The decoder skips line ends, which a header cannot hold but a caller can pass.
	if len(key) != base64.StdEncoding.EncodedLen(keySize) {
		return false
	}
	nonce, err := base64.StdEncoding.DecodeString(key)
	return err == nil && len(nonce) == keySize
}

// Accept returns the Sec-WebSocket-Accept that answers key (RFC 6455, section
// 4.2.2). The hash proves that the server speaks WebSocket; it protects nothing
// (section 10.8).
func Accept(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}
