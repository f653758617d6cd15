package websocket

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/seed-15847954/ropewalk/websocket/internal/handshake"
)

// A proxy is one that a connection goes through.
type proxy struct {
	scheme  string
	host    string
	address string // host:port
	user    *url.Userinfo
}

// proxyPorts are the ports of proxies whose URL names none.
var proxyPorts = map[string]uint16{"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}

// proxyFor returns the proxy to reach t through, or nil.
func (d *dialer) proxyFor(t *handshake.Target) (*proxy, error) {
	u, err := d.proxy(t.URL(t.Scheme()))
	if err != nil {
		return nil, fmt.Errorf("choose proxy: %w", err)
	}
	if u == nil {
		return nil, nil
	}
	defaultPort, ok := proxyPorts[u.Scheme]
	if !ok {
		return nil, fmt.Errorf("scheme %.20q of the proxy is not http, https, socks5 or socks5h", u.Scheme)
	}
	host, port, err := handshake.HostPort(u, defaultPort)
	if err != nil {
		return nil, fmt.Errorf("proxy: %w", err)
	}
	if strings.Contains(t.Name, "%") {
		return nil, errors.New("an address with a zone cannot be reached through a proxy")
	}
	address := net.JoinHostPort(host, strconv.Itoa(int(port)))
	return &proxy{scheme: u.Scheme, host: host, address: address, user: u.User}, nil
}

// tunnel has the proxy at the other end of raw connect to t.
func (d *dialer) tunnel(ctx context.Context, raw net.Conn, p *proxy, t *handshake.Target) (stream net.Conn, err error) {
	stream = raw
	switch p.scheme {
	case "socks5", "socks5h":
		err = socksConnect(stream, p.user, t.Name, t.Port)
	case "https":
		if stream, err = startTLS(ctx, raw, d.proxyTLS, p.host); err != nil {
			break
		}
		fallthrough
	default:
		err = httpConnect(stream, p.user, t.Address(), d.maxAnswerBytes)
	}
	var refused *HandshakeError
	switch {
	case errors.As(err, &refused):
		return nil, refused
	case err != nil:
		return nil, fmt.Errorf("proxy %s: %w", p.address, err)
	}
	return stream, nil
}

// httpConnect asks an HTTP proxy for a tunnel (RFC 9110, section 9.3.6).
func httpConnect(stream net.Conn, user *url.Userinfo, address string, maxAnswer int) error {
	auth, err := handshake.BasicAuth(user)
	if err != nil {
		return err
	}
	request := "CONNECT " + address + " HTTP/1.1\r\nHost: " + address + "\r\n"
	if auth != "" {
		request += "Proxy-Authorization: " + auth + "\r\n"
	}
	if _, err := stream.Write([]byte(request + "\r\n")); err != nil {
		return fmt.Errorf("send CONNECT: %w", err)
	}
	answer := newAnswerReader(stream, maxAnswer)
	resp, err := answer.next(&http.Request{Method: http.MethodConnect})
	if err != nil {
		return err
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return &HandshakeError{
			Status: resp.StatusCode, Section: "4.1", Header: resp.Header,
			Reason: "proxy answered " + strings.TrimSpace(resp.Status),
		}
	}
	// The client speaks first in the tunnel, so this came from the proxy.
	if len(answer.buf) > 0 {
		return errors.New("bytes behind the answer to CONNECT")
	}
	return nil
}
