package handshake_test

import (
	"strings"
	"testing"

	"github.com/seed-15847954/ropewalk/websocket/internal/handshake"
)

// The end of a head is found wherever it is cut, and a line that does not end in
// CRLF is an error as soon as it is there.
//
// Checks 6455-32.
func TestHeadEnd(t *testing.T) {
	const head, rest = "HTTP/1.1 101 x\r\nA: b\r\n\r\n", "\r\nrest\n"
	for cut := range len(head) + 1 {
		n, found, err := handshake.HeadEnd([]byte(head[:cut]), 0)
		if err != nil || found != (cut == len(head)) {
			t.Fatalf("HeadEnd(%q) = %d, %v, %v, want found = %v", head[:cut], n, found, err, cut == len(head))
		}
		if n, found, err := handshake.HeadEnd([]byte(head+rest), n); !found && cut < len(head) || err != nil || cut < len(head) && n != len(head) {
			t.Errorf("HeadEnd(%q) from %q on = %d, %v, %v, want %d, true", head+rest, head[:cut], n, found, err, len(head))
		}
	}
	for _, b := range []string{"\n", "a\n", "HTTP/1.1 101 x\r\nA: b\n", "HTTP/1.1 101 x\n\r\n", "a\r\n\n"} {
		if n, found, err := handshake.HeadEnd([]byte(b), 0); err == nil {
			t.Errorf("HeadEnd(%q) = %d, %v, nil, want an error", b, n, found)
		}
	}
}

// RFC 9112, sections 4 and 5.
//
// Checks 6455-32.
func TestCheckHead(t *testing.T) {
	for head, ok := range map[string]bool{
		"HTTP/1.1 101 Switching Protocols":  true,
		"HTTP/1.1 101 ":                     true,
		"HTTP/1.1 101":                      true,
		"HTTP/1.0 200 OK":                   true,
		"HTTP/1.1 101 \xe4":                 true,
		"HTTP/1.1 101 x\r\nA:\r\nB: c:d\te": true,
		"HTTP/1.1 101 x\r\nA: \xe4":         true,
		"":                                  false,
		"HTTP/1.1":                          false,
		"HTTP/1.1 10":                       false,
		"HTTP/1.1 1010":                     false,
		"HTTP/1.1  101":                     false,
		"HTTP/1.1\t101 x":                   false,
		"HTTP/1.11 101 x":                   false,
		"HTTP/2.0 101 x":                    false,
		"http/1.1 101 x":                    false,
		"HTTP/1.1 1a1 x":                    false,
		"HTTP/1.1 101 \x00":                 false,
		" HTTP/1.1 101 x":                   false,
		"HTTP/1.1 101 x\r\nA":               false,
		"HTTP/1.1 101 x\r\n: b":             false,
		"HTTP/1.1 101 x\r\nA : b":           false,
		"HTTP/1.1 101 x\r\n A: b":           false,
		"HTTP/1.1 101 x\r\nA: b\r\n c":      false,
		"HTTP/1.1 101 x\r\nA\x00: b":        false,
		"HTTP/1.1 101 x\r\n\xe4: b":         false,
		"HTTP/1.1 101 x\r\nA: b\rc":         false,
		"HTTP/1.1 101 x\r\nA: b\x7f":        false,
		"HTTP/1.1 101 x" + strings.Repeat("\r\nA: b", 1000) + "\r\nA": false,
	} {
		if err := handshake.CheckHead([]byte(head + "\r\n\r\n")); (err == nil) != ok {
			t.Errorf("CheckHead(%.60q) = %v, want ok = %v", head, err, ok)
		}
	}
}
