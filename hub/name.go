package hub

import (
	"errors"
	"fmt"
	"unicode"
	"unicode/utf8"
)

// MaxChannelName is the longest channel name, in bytes.
const MaxChannelName = 255

// HealthChannel is where nodes publish to see that publications come back from the broker. It
// keeps nothing, no pattern matches it, and lists leave it out.
const HealthChannel = "ropewalk.health"

// ErrChannelName is wrapped by every error of [CheckChannel].
var ErrChannelName = errors.New("channel name")

// CheckChannel reports why name cannot name a channel: it is empty, longer than
// [MaxChannelName], not UTF-8, or holds a control character or a line separator.
// Every other character is allowed, so a broker must store names such that
// none of them has a meaning of its own there.
func CheckChannel(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("%w is empty", ErrChannelName)
	case len(name) > MaxChannelName:
		return fmt.Errorf("%w of %d bytes, the limit is %d", ErrChannelName, len(name), MaxChannelName)
	case !utf8.ValidString(name):
		return fmt.Errorf("%w is not UTF-8", ErrChannelName)
	}
	for i, r := range name {
		if unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp) {
			return fmt.Errorf("%w has the control character %U at byte %d", ErrChannelName, r, i)
		}
	}
	return nil
}
