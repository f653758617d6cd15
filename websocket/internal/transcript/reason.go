package transcript

import (
	"slices"
	"strings"
	"testing"

	"github.com/seed-15847954/ropewalk/websocket"
)

// A Reason is why a conversation goes another way over some carriers, for connections
// of one role.
type Reason string

const (
	// NoReset is of carriers whose streams are closed where others are reset: the outcome
	// "reset" is "end" there.
	NoReset Reason = "no-reset"

	// WholeEnd is of carriers that cannot end one direction of a stream alone, as the
	// server of net/http cannot over HTTP/2. So Close does not wait there until the
	// peer has ended its side.
	WholeEnd Reason = "whole-end"
)

var reasons = []Reason{NoReset, WholeEnd}

// outcomes returns what the step must cause in one role where the reasons hold.
func (s step) outcomes(t *testing.T, role websocket.Role, hold []Reason) (want []string) {
	for _, line := range s.want {
		who, rest, ok := strings.Cut(line, ": ")
		switch word, name, _ := strings.Cut(who, " "); {
		case !ok:
		case who == "server" || who == "client":
			if who != role.String() {
				continue
			}
			line = rest
		case word == "with" || word == "but":
			reason := Reason(name)
			if !slices.Contains(reasons, reason) {
				t.Fatalf("line %d: unknown reason %q", s.line, reason)
			}
			if slices.Contains(hold, reason) != (word == "with") {
				continue
			}
			line = rest
		}
		if line == "reset" && slices.Contains(hold, NoReset) {
			line = "end"
		}
		want = append(want, canonical(t, line))
	}
	return want
}

// differs reports whether the case goes another way where the reason holds.
func (tr transcript) differs(t *testing.T, role websocket.Role, reason Reason) bool {
	return slices.ContainsFunc(tr.steps, func(s step) bool {
		return !slices.Equal(s.outcomes(t, role, []Reason{reason}), s.outcomes(t, role, nil))
	})
}
