package hub

import (
	"errors"
	"fmt"
	"strings"
)

// ErrPattern is wrapped by every error of [ParsePattern].
var ErrPattern = errors.New("pattern")

// maxStars bounds what matching a name may cost.
const maxStars = 8

// A Pattern stands for all channel names that match it: "*" stands for any number of
// characters but ".", "**" for any number of characters, and everything else
// for itself. It is compared with ==.
type Pattern struct{ text string }

// ParsePattern returns the pattern that s is. It follows the rules of [CheckChannel]
// and has at most 8 stars or pairs of stars.
func ParsePattern(s string) (Pattern, error) {
	if err := CheckChannel(s); err != nil {
		return Pattern{}, fmt.Errorf("%w: %w", ErrPattern, err)
	}
	if strings.Contains(s, "***") {
		return Pattern{}, fmt.Errorf("%w has more than two stars in a row", ErrPattern)
	}
	if n := strings.Count(strings.ReplaceAll(s, "**", "*"), "*"); n > maxStars {
		return Pattern{}, fmt.Errorf("%w has %d stars, the limit is %d", ErrPattern, n, maxStars)
	}
	return Pattern{s}, nil
}

// String returns the pattern as it was written.
func (p Pattern) String() string { return p.text }

// Match reports whether a channel's name matches; [HealthChannel] never does. It takes time in
// proportion to the length of both multiplied, and no memory.
func (p Pattern) Match(name string) bool {
	if name == HealthChannel {
		return false
	}
	pattern := p.text
	// Where to go on when what follows a star turns out not to match: with the
	// star taking one character more. A star that fails gives way to the last
	// double one, which may take what the star could not.
	var star, double retry
	for name != "" || pattern != "" {
		switch {
		case strings.HasPrefix(pattern, "**"):
			pattern = pattern[2:]
			double = retry{pattern, name, true}
			star = retry{}
			continue
		case strings.HasPrefix(pattern, "*"):
			pattern = pattern[1:]
			star = retry{pattern, name, true}
			continue
		case pattern != "" && name != "" && pattern[0] == name[0]:
			pattern, name = pattern[1:], name[1:]
			continue
		}
		switch {
		case star.set && star.name != "" && star.name[0] != '.':
			star.name = star.name[1:]
			pattern, name = star.pattern, star.name
		case double.set && double.name != "":
			double.name = double.name[1:]
			pattern, name, star = double.pattern, double.name, retry{}
		default:
			return false
		}
	}
	return true
}

type retry struct {
	pattern, name string
	set           bool
}
