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
	if len(key) != encodedKeySize {
		return false
	}
	var text [encodedKeySize]byte
	var nonce [encodedKeySize / 4 * 3]byte
	copy(text[:], key)
	n, err := base64.StdEncoding.Decode(nonce[:], text[:])
	return err == nil && n == keySize
}

const encodedKeySize = (keySize + 2) / 3 * 4

// An acceptValue is a Sec-WebSocket-Accept.
type acceptValue [(sha1.Size + 2) / 3 * 4]byte

const acceptGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

// acceptFor returns the Sec-WebSocket-Accept that answers key (RFC 6455, section
// 4.2.2). The hash proves that the server speaks WebSocket; it protects nothing
// (section 10.8).
func acceptFor(key string) (a acceptValue) {
	var array [encodedKeySize + len(acceptGUID)]byte
	sum := sha1.Sum(append(append(array[:0], key...), acceptGUID...))
	base64.StdEncoding.Encode(a[:], sum[:])
	return a
}

// Accept is acceptFor as text.
func Accept(key string) string {
	a := acceptFor(key)
	return string(a[:])
}
