package session

import (
	"crypto/rand"
	"encoding/hex"
)

// An Identity is who a session is. Whoever resumes it is the same one to others.
type Identity struct {
	// ID is the secret name of the session: that of its node, a dot, and 128 random
	// bits in hexadecimal.
	ID string

	// Client is its public name, 64 random bits in hexadecimal.
	Client string
}

// NewIdentity returns an identity that nobody can guess, on a node.
func NewIdentity(node string) Identity {
	var b [24]byte
	rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	return Identity{ID: node + "." + hex.EncodeToString(b[:16]), Client: hex.EncodeToString(b[16:])}
}
