package websocket

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"

	"github.com/seed-15847954/ropewalk/websocket/internal/handshake"
)

// An opened connection is one whose handshake is done.
type opened struct {
	stream   io.ReadWriteCloser
	agreed   *handshake.Agreement
	received []byte // what came behind the answer
}

// open does one handshake with t. Without an opened connection nothing of it is
// left open; the response, if there was one, holds the start of its body.
func (d *dialer) open(ctx context.Context, t *handshake.Target) (*opened, *http.Response, error) {
	if d.connector != nil {
		o, resp, err := d.openConnect(ctx, t)
		if o != nil || err != nil {
			return o, resp, err
		}
	}
	stream, release, err := d.connect(ctx, t)
	if err != nil {
		return nil, nil, dialError(ctx, t, err)
	}
	o, resp, err := d.handshake(stream, t)
	if !release() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = stream.Close() // the error that counts is err
		return nil, resp, dialError(ctx, t, err)
	}
	return o, resp, nil
}

// dialError says what was being done when err happened. A context that has ended
// is the cause of whatever happened then.
func dialError(ctx context.Context, t *handshake.Target, err error) error {
	var answered *HandshakeError
	if errors.As(err, &answered) {
		return err
	}
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return fmt.Errorf("websocket: dial %s: %w", t.Origin(), err)
}

// connect returns a stream to t, through a proxy if there is one for it, inside
// TLS for wss. The stream is closed when ctx ends, until release is called, which
// reports whether it was in time.
func (d *dialer) connect(ctx context.Context, t *handshake.Target) (stream net.Conn, release func() bool, err error) {
	proxy, err := d.proxyFor(t)
	if err != nil {
		return nil, nil, err
	}
	address := t.Address()
	if proxy != nil {
		address = proxy.address
	}
	raw, err := d.netDial(ctx, "tcp", address)
	if err != nil {
		return nil, nil, err
	}
	release = context.AfterFunc(ctx, func() { _ = raw.Close() })
	stream, err = d.dress(ctx, raw, proxy, t)
	if err != nil {
		release()
		_ = raw.Close() // the error that counts is err
		return nil, nil, err
	}
	return stream, release, nil
}

// dress puts on raw what stands between it and the handshake.
func (d *dialer) dress(ctx context.Context, raw net.Conn, proxy *proxy, t *handshake.Target) (stream net.Conn, err error) {
	stream = raw
	if proxy != nil {
		if stream, err = d.tunnel(ctx, raw, proxy, t); err != nil {
			return nil, err
		}
	}
	if t.Secure {
		return startTLS(ctx, stream, d.tls, t.ServerName())
	}
	return stream, nil
}

// startTLS does the TLS handshake (RFC 6455, section 4.1), with SNI and the
// certificate's verification. The protocol inside is always HTTP/1.1.
func startTLS(ctx context.Context, stream net.Conn, config *tls.Config, serverName string) (net.Conn, error) {
	config = config.Clone()
	config.NextProtos = []string{"http/1.1"}
	if config.ServerName == "" {
		config.ServerName = serverName
	}
	secured := tls.Client(stream, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		return nil, fmt.Errorf("TLS handshake: %w", err)
	}
	return secured, nil
}

// handshake sends the request on stream and checks the answer.
func (d *dialer) handshake(stream net.Conn, t *handshake.Target) (*opened, *http.Response, error) {
	client := &handshake.Client{Key: handshake.NewKey(), Subprotocols: d.subprotocols, Deflate: d.deflate}
	host := d.host
	if host == "" {
		host = t.Host()
	}
	if _, err := stream.Write(client.Request(t, host, d.requestHeader(t))); err != nil {
		return nil, nil, fmt.Errorf("send request: %w", err)
	}
	answer := newAnswerReader(stream, d.maxAnswerBytes)
	resp, err := answer.next(&http.Request{Method: http.MethodGet, URL: t.URL(t.Scheme()), Host: host})
	if err != nil {
		return nil, nil, err
	}
	if cookies := resp.Cookies(); d.jar != nil && len(cookies) > 0 {
		d.jar.SetCookies(cookieURL(t), cookies)
	}
	agreed, refusal := client.Check(resp)
	if refusal != nil {
		answer.keepBody(resp)
		return nil, resp, (*HandshakeError)(refusal)
	}
	resp.Body = http.NoBody
	return &opened{stream, agreed, bytes.Clone(answer.buf)}, resp, nil
}

// cookieURL is t as a cookie jar knows it.
func cookieURL(t *handshake.Target) *url.URL {
	if t.Secure {
		return t.URL("https")
	}
	return t.URL("http")
}

// requestHeader is what goes out besides the handshake's own headers.
func (d *dialer) requestHeader(t *handshake.Target) http.Header {
	r := http.Request{Header: d.header.Clone()}
	if t.BasicAuth != "" && r.Header.Get("Authorization") == "" {
		r.Header.Set("Authorization", t.BasicAuth)
	}
	if d.jar != nil {
		for _, cookie := range d.jar.Cookies(cookieURL(t)) {
			r.AddCookie(cookie)
		}
	}
	return r.Header
}
