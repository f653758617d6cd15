package websocket

import (
	"context"
	"fmt"
	"net/http"

	"github.com/seed-15847954/ropewalk/websocket/internal/handshake"
)

// follow opens a connection to t, or to where its server sends the client. Each
// step is a handshake of its own with every check (RFC 6455, section 4.1).
func (d *dialer) follow(ctx context.Context, t *handshake.Target) (*opened, *http.Response, error) {
	for redirects := 0; ; redirects++ {
		o, resp, err := d.open(ctx, t)
		if err == nil || !isRedirect(resp) || d.maxRedirects < 0 {
			return o, resp, err
		}
		if redirects == d.maxRedirects {
			return nil, resp, redirectError(resp, fmt.Sprintf("more than %d redirects", d.maxRedirects))
		}
		next, err := t.Redirect(resp.Header.Get("Location"))
		if err != nil {
			return nil, resp, redirectError(resp, err.Error())
		}
		if next.Origin() != t.Origin() {
			d.leave()
		}
		t = next
	}
}

func isRedirect(resp *http.Response) bool {
	if resp == nil || resp.Header.Get("Location") == "" {
		return false
	}
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

func redirectError(resp *http.Response, reason string) error {
	return &HandshakeError{Status: resp.StatusCode, Section: "4.1", Reason: reason, Header: resp.Header}
}

// leave drops what is meant for the host and port of the URL alone, for good: a
// server that is sent there again may have been chosen by another.
func (d *dialer) leave() {
	kept := make(http.Header)
	for _, name := range []string{"Origin", "User-Agent"} {
		if values, ok := d.header[name]; ok {
			kept[name] = values
		}
	}
	d.header, d.host = kept, ""
	d.tls.ServerName = ""
	d.tls.Certificates, d.tls.GetClientCertificate = nil, nil
}
