// Package handshake holds the rules of the opening handshake (RFC 6455, sections
// 4 and 9.1; RFC 7692, section 7) as functions on strings and headers. It does
// no I/O.
package handshake

import "strings"

// tokenBytes says which bytes may stand in a token (RFC 9110, section 5.6.2).
var tokenBytes = func() (table [256]bool) {
	for c := range table {
		letter := 'a' <= lower(byte(c)) && lower(byte(c)) <= 'z'
		table[c] = letter || isDigit(byte(c)) || strings.IndexByte("!#$%&'*+-.^_`|~", byte(c)) >= 0
	}
	return table
}()

func isTokenByte(c byte) bool { return tokenBytes[c] }

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

// toLower maps ASCII letters alone.
func toLower(s string) string {
	for i := range len(s) {
		if lower(s[i]) == s[i] {
			continue
		}
		b := []byte(s)
		for j := i; j < len(b); j++ {
			b[j] = lower(b[j])
		}
		return string(b)
	}
	return s
}
