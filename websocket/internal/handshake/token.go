// Package handshake holds the rules of the opening handshake (RFC 6455, sections
// 4 and 9.1; RFC 7692, section 7) as functions on strings and headers. It does
// no I/O.
package handshake

import "strings"

// isTokenByte reports whether c may stand in a token (RFC 9110, section 5.6.2).
func isTokenByte(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	return strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}

// IsToken reports whether s is a token, which is never empty.
func IsToken(s string) bool {
	for i := range len(s) {
		if !isTokenByte(s[i]) {
			return false
		}
	}
	return s != ""
}

// HasToken reports whether the lists in lines hold token, in any case of letters.
// Several lines are one list (RFC 9110, section 5.3).
func HasToken(lines []string, token string) bool {
	for _, line := range lines {
		for element := range strings.SplitSeq(line, ",") {
			if equalFold(trim(element), token) {
				return true
			}
		}
	}
	return false
}

// trim removes the optional white space of HTTP (RFC 9110, section 5.6.3).
func trim(s string) string { return strings.Trim(s, " \t") }

// equalFold compares without regard to the case of ASCII letters alone: the
// Kelvin sign is no K.
func equalFold(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

func toLower(s string) string {
	b := []byte(s)
	for i, c := range b {
		b[i] = lower(c)
	}
	return string(b)
}
