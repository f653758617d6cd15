package handshake

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// maxHost is the length of the longest name that DNS can hold.
const maxHost = 253

// An authority is a host and a port, in the form in which they are compared: the
// host in lower case and without brackets, port 0 where none is written.
type authority struct {
	host string
	port uint16
}

// parseAuthority parses host[:port] as it stands in Host and Origin. Hosts are
// IP literals or names of ASCII letters, digits, "-", "_" and dots. What RFC 3986
// allows beyond that (escapes, sub-delims) no host in use has, and parsers
// disagree about it.
func parseAuthority(s string) (authority, error) {
	host, port := s, ""
	if i := strings.LastIndexByte(s, ':'); i >= 0 && !strings.HasSuffix(s, "]") {
		host, port = s[:i], s[i+1:]
		if port == "" {
			return authority{}, fmt.Errorf("empty port in %.80q", s)
		}
	}
	name, err := parseHost(host)
	if err != nil {
		return authority{}, err
	}
	n, err := ParsePort(port)
	return authority{name, n}, err
}

// parseHost returns host in the form in which hosts are compared.
func parseHost(host string) (string, error) {
	if literal, ok := strings.CutPrefix(host, "["); ok {
		literal, ok = strings.CutSuffix(literal, "]")
		ip, err := netip.ParseAddr(literal)
		if !ok || err != nil || !ip.Is6() || ip.Zone() != "" {
			return "", fmt.Errorf("malformed IPv6 address %.80q", host)
		}
		return ip.String(), nil
	}
	if !isHostName(host) {
		return "", fmt.Errorf("malformed host %.80q", host)
	}
	return toLower(host), nil
}

// isHostName reports whether s is a name of the bytes that names have, in which no
// label but the last is empty.
func isHostName(s string) bool {
	before := byte('.')
	for i := range len(s) {
		c := lower(s[i])
		switch {
		case c == '.' && before == '.':
			return false
		case 'a' <= c && c <= 'z', isDigit(c), c == '-', c == '_', c == '.':
			before = c
		default:
			return false
		}
	}
	return s != "" && len(s) <= maxHost
}

// ParsePort parses a decimal port from 1 to 65535 without leading zeros. The
// empty string is port 0.
func ParsePort(s string) (uint16, error) {
	if s == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || s[0] < '1' || s[0] > '9' {
		return 0, fmt.Errorf("malformed port %.20q", s)
	}
	return uint16(n), nil
}

// defaultPort is the port that an origin or a host of the scheme means when it
// names none, and 0 for schemes without one.
func defaultPort(scheme string) uint16 {
	switch scheme {
	case "http", "ws":
		return 80
	case "https", "wss":
		return 443
	}
	return 0
}

// CheckHost reports whether s may stand in a Host header.
func CheckHost(s string) error {
	_, err := parseAuthority(s)
	return err
}
