package handshake

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A Target is a ws or wss URI (RFC 6455, section 3), in the form in which its
// parts are used.
type Target struct {
	Secure     bool
	Name       string // to connect to: in lower case and ASCII, an IPv6 zone included, without brackets
	Port       uint16
	RequestURI string

	// BasicAuth is the value of Authorization that stands for the URI's userinfo,
	// or empty.
	BasicAuth string
}

// ParseTarget parses a URI.
func ParseTarget(s string) (*Target, error) {
	if !utf8.ValidString(s) {
		return nil, errors.New("URL is not UTF-8")
	}
	// Section 3: a "#" in a path or query travels as "%23".
	if strings.Contains(s, "#") {
		return nil, errors.New("URL has a fragment")
	}
	u, err := url.Parse(s)
	if err != nil {
		// The text of the URL may hold a password, and so may what is quoted of it.
		var parse *url.Error
		if !errors.As(err, &parse) || strings.Contains(s, "@") {
			return nil, errors.New("malformed URL")
		}
		return nil, fmt.Errorf("parse URL: %w", parse.Err)
	}
	if u.Scheme != "ws" && u.Scheme != "wss" {
		return nil, fmt.Errorf("scheme %.20q of the URL is neither ws nor wss", u.Scheme)
	}
	t := &Target{Secure: u.Scheme == "wss", RequestURI: requestURI(u)}
	if t.Name, t.Port, err = HostPort(u, defaultPort(u.Scheme)); err != nil {
		return nil, err
	}
	t.BasicAuth, err = BasicAuth(u.User)
	return t, err
}

// HostPort returns the host and port to connect to for u.
func HostPort(u *url.URL, defaultPort uint16) (host string, port uint16, err error) {
	if port, err = ParsePort(u.Port()); err != nil {
		return "", 0, err
	}
	if port == 0 {
		port = defaultPort
	}
	name := u.Hostname()
	if strings.HasPrefix(u.Host, "[") {
		ip, err := netip.ParseAddr(name)
		if err != nil || !ip.Is6() {
			return "", 0, fmt.Errorf("malformed IPv6 address %.80q in the URL", name)
		}
		return ip.String(), port, nil
	}
	ascii, err := ToASCII(name)
	if err != nil {
		return "", 0, err
	}
	host, err = parseHost(ascii)
	return host, port, err
}

// BasicAuth returns the value of Authorization or Proxy-Authorization that stands
// for userinfo (RFC 7617), or "" for nil.
func BasicAuth(user *url.Userinfo) (string, error) {
	if user == nil {
		return "", nil
	}
	// RFC 7617, section 2: the first colon ends the name.
	if strings.Contains(user.Username(), ":") {
		return "", errors.New("colon in the user name of the URL")
	}
	password, _ := user.Password()
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user.Username()+":"+password)), nil
}

// requestURI returns the resource name (RFC 6455, section 3), in which everything
// outside the characters of a URI is percent-encoded (section 11.1.1).
func requestURI(u *url.URL) string {
	path := u.EscapedPath()
	if path == "" {
		path = "/"
	}
	if u.RawQuery == "" && !u.ForceQuery {
		return path
	}
	return path + "?" + escapeQuery(u.RawQuery)
}

func escapeQuery(query string) string {
	var b strings.Builder
	for i := range len(query) {
		if c := query[i]; c > ' ' && c < 0x7f && !strings.ContainsRune("\"<>\\^`{|}", rune(c)) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// Scheme returns "ws" or "wss".
func (t *Target) Scheme() string {
	if t.Secure {
		return "wss"
	}
	return "ws"
}

// Address returns host:port to connect to.
func (t *Target) Address() string {
	return net.JoinHostPort(t.Name, strconv.Itoa(int(t.Port)))
}

// Host returns the value of the Host header: the port only where it is not the
// scheme's own, and no zone, which means something on this machine alone
// (RFC 6874, section 4).
func (t *Target) Host() string {
	host := t.ServerName()
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if t.Port != defaultPort(t.Scheme()) {
		host += ":" + strconv.Itoa(int(t.Port))
	}
	return host
}

// ServerName returns the name that the server's certificate must bear.
func (t *Target) ServerName() string {
	name, _, _ := strings.Cut(t.Name, "%")
	return name
}

// Origin returns scheme://host:port, which is equal for two targets where
// credentials for one may go to the other.
func (t *Target) Origin() string { return t.Scheme() + "://" + t.Address() }

// URL returns the target as a URL of the scheme given, without userinfo.
func (t *Target) URL(scheme string) *url.URL {
	u, err := url.ParseRequestURI(t.RequestURI)
	if err != nil { // it came out of a URL
		u = &url.URL{Path: "/"}
	}
	u.Scheme, u.Host = scheme, t.Host()
	return u
}

// Redirect returns the target that location names, seen from t. http and https
// mean ws and wss. A step from wss to ws is an error.
func (t *Target) Redirect(location string) (*Target, error) {
	ref, err := url.Parse(location)
	if err != nil {
		return nil, errors.New("malformed Location")
	}
	u := t.URL(t.Scheme()).ResolveReference(ref)
	switch u.Scheme {
	case "http":
		u.Scheme = "ws"
	case "https":
		u.Scheme = "wss"
	}
	// Credentials come from the application, not from a server that sends it away.
	u.User = nil
	next, err := ParseTarget(u.String())
	if err != nil {
		return nil, err
	}
	if t.Secure && !next.Secure {
		return nil, errors.New("redirect from wss to ws")
	}
	if next.Name == t.ServerName() {
		next.Name = t.Name // with the zone, of which the server knows nothing
	}
	if next.Origin() == t.Origin() {
		next.BasicAuth = t.BasicAuth
	}
	return next, nil
}
