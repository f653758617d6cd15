package handshake

import (
	"errors"
	"fmt"
	"strings"
)

// An origin is an ASCII serialisation of RFC 6454, section 6.2, taken apart.
type origin struct {
	scheme string
	authority
}

var errNoOrigin = errors.New("not scheme://host or scheme://host:port")

// parseOrigin takes apart the value of an Origin header. It refuses what is not
// exactly scheme://host[:port]: null, lists, userinfo, paths.
func parseOrigin(s string) (origin, error) {
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok || !isScheme(scheme) {
		return origin{}, errNoOrigin
	}
	a, err := parseAuthority(rest)
	if err != nil {
		return origin{}, err
	}
	o := origin{toLower(scheme), a}
	if o.port == 0 {
		o.port = defaultPort(o.scheme)
	}
	return o, nil
}

// isScheme reports whether s is a scheme (RFC 3986, section 3.1).
func isScheme(s string) bool {
	for i := range len(s) {
		c := lower(s[i])
		letter := 'a' <= c && c <= 'z'
		if !letter && (i == 0 || (c < '0' || c > '9') && c != '+' && c != '-' && c != '.') {
			return false
		}
	}
	return s != ""
}

// An OriginPattern names origins that may open a connection.
type OriginPattern struct {
	origin
	wildcard bool // host stands behind exactly one label
	// An empty scheme means http and https, port 0 then the scheme's default.
}

// ParseOriginPattern parses [scheme://][*.]host[:port].
func ParseOriginPattern(s string) (OriginPattern, error) {
	var p OriginPattern
	rest := s
	if scheme, after, ok := strings.Cut(s, "://"); ok {
		if !isScheme(scheme) {
			return p, fmt.Errorf("malformed scheme in origin pattern %q", s)
		}
		p.scheme, rest = toLower(scheme), after
	}
	rest, p.wildcard = strings.CutPrefix(rest, "*.")
	host, port := rest, ""
	if i := strings.LastIndexByte(rest, ':'); i >= 0 && !strings.HasSuffix(rest, "]") {
		host, port = rest[:i], rest[i:]
	}
	host, err := ToASCII(host)
	if err != nil {
		return p, fmt.Errorf("origin pattern %q: %w", s, err)
	}
	if p.authority, err = parseAuthority(host + port); err != nil {
		return p, fmt.Errorf("origin pattern %q: %w", s, err)
	}
	if p.port == 0 {
		p.port = defaultPort(p.scheme)
	}
	return p, nil
}

// matches reports whether o is among the origins that p names. secure says that
// the request came over TLS: a page that did not is no part of a secure site, so
// that without a scheme p means https alone.
func (p OriginPattern) matches(o origin, secure bool) bool {
	port := p.port
	if p.scheme == "" {
		if !isWebScheme(o.scheme, secure) {
			return false
		}
		if port == 0 {
			port = defaultPort(o.scheme)
		}
	} else if p.scheme != o.scheme {
		return false
	}
	return port == o.port && p.matchesHost(o.host)
}

func (p OriginPattern) matchesHost(host string) bool {
	if !p.wildcard {
		return host == p.host
	}
	_, parent, ok := strings.Cut(host, ".") // no label is empty
	return ok && parent == p.host
}

// isWebScheme reports whether pages of the scheme belong to a server that is
// reached with TLS (secure) or without. Without, TLS may have ended at a proxy
// before the server, so both will do.
func isWebScheme(scheme string, secure bool) bool {
	return scheme == "https" || scheme == "http" && !secure
}

// CheckOrigin reports whether a page may open a connection to host, from the
// lines of the request's Origin. Without any, no page does: the client is not a
// browser (RFC 6455, section 4.2.1). A page may if it was loaded from host, or
// if one of patterns names its origin.
func CheckOrigin(lines []string, host string, secure bool, patterns []OriginPattern) error {
	if len(lines) == 0 {
		return nil
	}
	if len(lines) > 1 {
		return errors.New("more than one Origin")
	}
	o, err := parseOrigin(lines[0])
	if err != nil {
		return fmt.Errorf("origin %.80q: %w", lines[0], err)
	}
	if isSameOrigin(o, host, secure) {
		return nil
	}
	for _, p := range patterns {
		if p.matches(o, secure) {
			return nil
		}
	}
	return fmt.Errorf("origin %.80q is not allowed", lines[0])
}

// isPlainlySame reports whether origin is a scheme and the host as it stands in the
// request, as it is in most requests: then they are the same however host is read.
// CheckHost has passed host.
func isPlainlySame(origin, host string, secure bool) bool {
	rest, ok := strings.CutPrefix(origin, "https://")
	if !ok && !secure {
		rest, ok = strings.CutPrefix(origin, "http://")
	}
	return ok && rest == host
}

func isSameOrigin(o origin, host string, secure bool) bool {
	h, err := parseAuthority(host)
	if err != nil || !isWebScheme(o.scheme, secure) {
		return false
	}
	if h.port == 0 {
		h.port = defaultPort(o.scheme)
	}
	return h == o.authority
}
