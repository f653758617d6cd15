package frame

import (
	"strings"
	"unicode/utf8"
)

// CutReason makes reason fit a Close frame (RFC 6455, section 5.5.1): bytes that
// are not UTF-8 become U+FFFD, and what goes beyond MaxCloseReason bytes is cut
// off between two code points.
func CutReason(reason string) string {
	reason = strings.ToValidUTF8(reason, "\uFFFD")
	if len(reason) <= MaxCloseReason {
		return reason
	}
	n := MaxCloseReason
	for !utf8.RuneStart(reason[n]) {
		n--
	}
	return reason[:n]
}
