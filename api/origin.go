package api

import (
	"net/http"
	"net/url"
	"strings"
)

// checkOrigin refuses requests of pages of other origins. Programs that are not
// browsers send no Origin.
func checkOrigin(r *http.Request) error {
	if origins, ok := r.Header["Origin"]; ok && (len(origins) != 1 || !ownOrigin(r, origins[0])) {
		return errorf(ForeignOrigin, "pages of other origins cannot call this")
	}
	return nil
}

// ownOrigin reports whether origin is that of the server: its host and port are
// those of the Host header. Without TLS the scheme may still be https, which a
// proxy may have ended.
func ownOrigin(r *http.Request, origin string) bool {
	u, err := url.Parse(origin)
	if err != nil || u.User != nil || u.Host == "" || u.Path != "" || u.RawQuery != "" || u.Fragment != "" {
		return false
	}
	if u.Scheme != "https" && (u.Scheme != "http" || r.TLS != nil) {
		return false
	}
	return strings.EqualFold(withPort(u.Host, u.Scheme), withPort(r.Host, u.Scheme))
}

// withPort adds the scheme's own port to a host without one.
func withPort(host, scheme string) string {
	if (&url.URL{Host: host}).Port() != "" {
		return host
	}
	if scheme == "http" {
		return strings.TrimSuffix(host, ":") + ":80"
	}
	return strings.TrimSuffix(host, ":") + ":443"
}
