package websocket

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/seed-15847954/ropewalk/websocket/internal/handshake"
)

// DialOptions configures [Dial]. The zero value, like nil, is safe: certificates
// are verified, nothing is compressed, and everything is bounded.
type DialOptions struct {
	// HTTPHeader is added to the request: Origin, Authorization, Cookie, User-Agent
	// and whatever the server wants. There is no Origin by default, for Dial is no
	// browser (RFC 6455, section 4.1). Headers that the handshake writes itself
	// (Host, Upgrade, Connection, Sec-WebSocket-*, those that frame a body) are an
	// error. HTTPHeader goes to the host and port of the URL alone: of it, only
	// Origin and User-Agent follow a redirect elsewhere.
	HTTPHeader http.Header

	// Host replaces the Host header. Connection and TLS still go by the URL. It does
	// not follow a redirect to another host. Empty means the URL's.
	Host string

	// Subprotocols are offered in this order of preference. They are tokens, and
	// all different (RFC 6455, section 4.1).
	Subprotocols []string

	// Compression configures the offer of permessage-deflate. Nil means none.
	Compression *Compression

	// TLSConfig is for wss. Nil means the defaults of crypto/tls. An empty
	// ServerName means the URL's host; NextProtos is always http/1.1. A ServerName
	// and client certificates do not follow a redirect to another host or port.
	TLSConfig *tls.Config

	// Proxy returns the proxy for a ws or wss URL (without userinfo; RFC 6455,
	// section 4.1), or nil for none. The proxy's scheme is http, https (CONNECT) or
	// socks5, socks5h (RFC 1928; both let the proxy look up names), its userinfo
	// authenticates to it. Nil means [ProxyFromEnvironment]. See [NoProxy].
	Proxy func(*url.URL) (*url.URL, error)

	// ProxyTLSConfig is for the connection to a proxy of scheme https. Nil means the
	// defaults. An empty ServerName means the proxy's host.
	ProxyTLSConfig *tls.Config

	// NetDialContext opens the connection to the server or the proxy.
	// Nil means that of the zero net.Dialer.
	NetDialContext func(ctx context.Context, network, address string) (net.Conn, error)

	// Connector opens the connection by an extended CONNECT: on a stream of HTTP/2
	// (RFC 8441; package wsh2) or HTTP/3 (RFC 9220; wsh3). It connects by itself, so
	// that TLSConfig, Proxy, ProxyTLSConfig and NetDialContext do not apply to it, nor
	// MaxResponseHeader. Nil means HTTP/1.1.
	Connector Connector

	// FallBack has Dial open the connection over HTTP/1.1 where the Connector says
	// that the server does not offer extended CONNECT. Without it that is an error,
	// which wraps [ErrNoExtendedConnect].
	FallBack bool

	// Jar gives cookies to the request, and takes those of every answer of a server,
	// refusals included. ws means http to it, and wss https. Nil means none.
	Jar http.CookieJar

	// MaxRedirects is the number of redirects that are followed. http and https in
	// a Location mean ws and wss; one from wss to ws is an error.
	// Zero means 10; a negative value means none.
	MaxRedirects int

	// HandshakeTimeout bounds all of Dial: name, TCP, proxy, TLS, answer, redirects.
	// Zero means 30 seconds; a negative value means that the context alone bounds it.
	HandshakeTimeout time.Duration

	// MaxResponseHeader is the largest header, in bytes, of an answer from a server
	// or a proxy. Zero means 64 KiB; a negative value means no bound.
	MaxResponseHeader int

	Limits    Limits
	KeepAlive KeepAlive

	// Queue bounds what Send leaves waiting.
	Queue Queue

	// OnPing and OnPong are those of Params.
	OnPing, OnPong func(payload []byte)

	// CloseTimeout is Params.CloseTimeout.
	CloseTimeout time.Duration
}

// Dial opens a connection to a ws or wss URL (RFC 6455, section 4.1). Userinfo in
// the URL becomes Basic authentication, unless HTTPHeader has an Authorization. A
// host outside ASCII is sent as punycode, the rest percent-encoded; a fragment is
// an error.
//
// Dial returns when the server's answer has arrived and been checked, or when ctx
// or HandshakeTimeout ends; the error then wraps context.Canceled or
// context.DeadlineExceeded. Of ctx the connection keeps the values alone.
//
// An answer that does not open the connection is a *HandshakeError; the response
// is returned with it, and up to 4 KiB of its body can be read. Of a proxy's answer
// there is only the error. When the connection opens, the response has no body to
// read. Errors never contain the URL's userinfo, path or query.
//
// Dial may be called at once by many goroutines with the same opts. It does not
// wait for other handshakes with the same address.
func Dial(ctx context.Context, url string, opts *DialOptions) (*Conn, *http.Response, error) {
	stream, params, resp, err := dialStream(ctx, url, opts)
	if err != nil {
		return nil, resp, err
	}
	return NewConn(stream, Client, params), resp, nil
}

// ProxyFromEnvironment returns the proxy that http_proxy (for ws), https_proxy (for
// wss) and no_proxy name, in either case of letters. It is that of package
// net/http: the environment is read once, and there is no proxy for localhost.
func ProxyFromEnvironment(u *url.URL) (*url.URL, error) {
	asHTTP := *u
	asHTTP.Scheme = "http"
	if u.Scheme == "wss" {
		asHTTP.Scheme = "https"
	}
	return http.ProxyFromEnvironment(&http.Request{URL: &asHTTP})
}

// NoProxy is a DialOptions.Proxy that never uses one.
func NoProxy(*url.URL) (*url.URL, error) { return nil, nil }

// dialStream does what Dial does on the wire.
func dialStream(ctx context.Context, rawURL string, opts *DialOptions) (io.ReadWriteCloser, Params, *http.Response, error) {
	if opts == nil {
		opts = &DialOptions{}
	}
	target, err := handshake.ParseTarget(rawURL)
	if err != nil {
		return nil, Params{}, nil, fmt.Errorf("websocket: dial: %w", err)
	}
	d, err := newDialer(opts)
	if err != nil {
		return nil, Params{}, nil, fmt.Errorf("websocket: dial: %w", err)
	}
	timed, cancel := withTimeout(ctx, orDefault(opts.HandshakeTimeout, 30*time.Second))
	defer cancel()
	opened, resp, err := d.follow(timed, target)
	if err != nil {
		return nil, Params{}, resp, err
	}
	params := Params{
		Context:      context.WithoutCancel(ctx),
		Subprotocol:  opened.agreed.Subprotocol,
		Deflate:      opened.agreed.Deflate,
		Received:     opened.received,
		Limits:       opts.Limits,
		KeepAlive:    opts.KeepAlive,
		Queue:        opts.Queue,
		OnPing:       opts.OnPing,
		OnPong:       opts.OnPong,
		CloseTimeout: opts.CloseTimeout,
	}
	if opts.Compression != nil {
		params.CompressionThreshold = opts.Compression.Threshold
	}
	return opened.stream, params, resp, nil
}

// A dialer is one call of Dial: its options, checked and without what was left
// behind at a redirect.
type dialer struct {
	header         http.Header
	host           string
	subprotocols   []string
	deflate        *handshake.Deflate
	tls, proxyTLS  *tls.Config
	proxy          func(*url.URL) (*url.URL, error)
	netDial        func(ctx context.Context, network, address string) (net.Conn, error)
	connector      Connector
	fallBack       bool
	jar            http.CookieJar
	maxRedirects   int
	maxAnswerBytes int
}

// newDialer checks everything that can be wrong before anything is sent.
func newDialer(opts *DialOptions) (*dialer, error) {
	d := &dialer{
		header:         make(http.Header, len(opts.HTTPHeader)),
		host:           opts.Host,
		subprotocols:   opts.Subprotocols,
		deflate:        opts.Compression.wanted(),
		tls:            orDefaultTLS(opts.TLSConfig),
		proxyTLS:       orDefaultTLS(opts.ProxyTLSConfig),
		proxy:          opts.Proxy,
		netDial:        opts.NetDialContext,
		connector:      opts.Connector,
		fallBack:       opts.FallBack,
		jar:            opts.Jar,
		maxRedirects:   orDefault(opts.MaxRedirects, 10),
		maxAnswerBytes: orDefault(opts.MaxResponseHeader, 64<<10),
	}
	if d.proxy == nil {
		d.proxy = ProxyFromEnvironment
	}
	if d.netDial == nil {
		d.netDial = new(net.Dialer).DialContext
	}
	for name, values := range opts.HTTPHeader {
		name = http.CanonicalHeaderKey(name)
		d.header[name] = append(d.header[name], values...)
	}
	return d, d.check()
}

func (d *dialer) check() error {
	if d.host != "" {
		if err := handshake.CheckHost(d.host); err != nil {
			return err
		}
	}
	return errors.Join(
		handshake.CheckHeader(d.header),
		handshake.CheckSubprotocols(d.subprotocols),
		d.deflate.Check(),
		d.checkConnector(),
	)
}

// orDefaultTLS returns a copy of config that may be changed.
func orDefaultTLS(config *tls.Config) *tls.Config {
	if config == nil {
		return &tls.Config{}
	}
	return config.Clone()
}
