package check

import (
	"fmt"
	"strings"
)

// A Verdict counts what was found.
type Verdict struct {
	Acked         int // messages
	Delivered     int // deliveries to clients
	Lost          int // acked messages that a client did not get and was not told of
	Duplicated    int // deliveries of a position that the client had, and messages at two positions
	Reordered     int // deliveries and acks against the order of positions
	DeclaredLost  int // acked messages that a client did not get and was told of
	Indeterminate int // messages without an answer
	Skipped       int // acked messages of others that a client was told are left out on purpose
	Repeated      int // messages that a retry has put into a second epoch
	Told          int // times that a client was told that it may have missed something

	// Violations says what is wrong, at most maxViolations of them for each invariant.
	Violations []Violation

	// Found counts all violations by invariant.
	Found map[string]int
}

// A Violation is one broken invariant.
type Violation struct {
	Invariant string // "I1" to "I7"
	Client    string // empty where it is not one client's
	Channel   string
	Detail    string
}

func (v Violation) String() string {
	return fmt.Sprintf("%s: client %q, channel %q: %s", v.Invariant, v.Client, v.Channel, v.Detail)
}

// maxViolations bounds those of one invariant that are kept in words.
const maxViolations = 10

// OK reports whether every invariant holds.
func (v *Verdict) OK() bool { return len(v.Found) == 0 }

// String returns the counts in one line, and the violations below it.
func (v *Verdict) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "acked %d, delivered %d, lost %d, duplicated %d, reordered %d, declared lost %d, indeterminate %d, "+
		"skipped %d, repeated %d, told %d",
		v.Acked, v.Delivered, v.Lost, v.Duplicated, v.Reordered, v.DeclaredLost, v.Indeterminate,
		v.Skipped, v.Repeated, v.Told)
	for _, violation := range v.Violations {
		fmt.Fprintf(&b, "\n%v", violation)
	}
	return b.String()
}

func (v *Verdict) violated(invariant, client, channel, format string, args ...any) {
	if v.Found[invariant]++; v.Found[invariant] <= maxViolations {
		v.Violations = append(v.Violations, Violation{invariant, client, channel, fmt.Sprintf(format, args...)})
	}
}
