package server

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// hostCheck refuses requests whose Host header names somebody else. A page
// of evil.example whose name is made to point at 127.0.0.1 is of the same origin as
// what it then finds there, so that the origin check alone lets it in.
type hostCheck struct {
	next  http.Handler
	hosts []string // in lower case
	any   bool
}

func newHostCheck(c Config, next http.Handler) http.Handler {
	h := &hostCheck{next: next, any: !c.loopback() && len(c.Hosts) == 0}
	for _, host := range c.Hosts {
		h.hosts = append(h.hosts, strings.ToLower(host))
	}
	return h
}

func (h *hostCheck) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !h.allowed(r.Host) {
		// 421: the server is not the one for this host (RFC 9110, section 15.5.20).
		w.Header().Set("Connection", "close")
		http.Error(w, fmt.Sprintf("host %+q is not served here; the setting hosts can add it", r.Host), http.StatusMisdirectedRequest)
		return
	}
	h.next.ServeHTTP(w, r)
}

func (h *hostCheck) allowed(hostport string) bool {
	// Without one it is HTTP/1.0, such as the question of a load balancer: browsers send a host.
	if h.any || hostport == "" {
		return true
	}
	host := hostport
	if name, _, err := net.SplitHostPort(hostport); err == nil {
		host = name
	}
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
	// No page is of an address that is not its server's.
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || slices.Contains(h.hosts, host)
}
