package nats

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
)

// names are those of the stream and of the subjects.
//
//	PREFIX                     the stream
//	PREFIX.log.EPOCH.CHANNEL   what it takes; EPOCH is the one of its present life
//	PREFIX.live.CHANNEL        where it says again what it has taken
//	PREFIX.bus, PREFIX.node    between the nodes
type names struct{ prefix string }

func (n names) stream() string                 { return n.prefix }
func (n names) bus() string                    { return n.prefix + ".bus" }
func (n names) nodes() string                  { return n.prefix + ".node" }
func (n names) live(token string) string       { return n.prefix + ".live." + token }
func (n names) log(epoch, token string) string { return n.prefix + ".log." + epoch + "." + token }
func (n names) allOf(epoch string) string      { return n.log(epoch, "*") }
func (n names) republished() (from, to string) {
	return n.prefix + ".log.*.*", n.prefix + ".live.{{wildcard(2)}}"
}

// parseLog returns the epoch and the token of a subject of the log.
func (n names) parseLog(subject string) (epoch, token string, ok bool) {
	rest, ok := strings.CutPrefix(subject, n.prefix+".log.")
	if !ok {
		return "", "", false
	}
	epoch, token, ok = strings.Cut(rest, ".")
	return epoch, token, ok && epoch != "" && token != ""
}

// probeToken is no channel's.
const probeToken = "!"

// tokenOf returns the channel's name as one token of a subject.
func tokenOf(channel string) string { return base64.RawURLEncoding.EncodeToString([]byte(channel)) }

// channelOf is the opposite.
func channelOf(token string) (string, bool) {
	name, err := base64.RawURLEncoding.DecodeString(token)
	return string(name), err == nil && tokenOf(string(name)) == token
}

// idOf returns what stands for a message's ID in the whole stream, which knows nothing of channels:
// a token without a zero byte, and a hash, for an ID may hold what a header may not.
func idOf(token, id string) string {
	sum := sha256.Sum256([]byte(token + "\x00" + id))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
