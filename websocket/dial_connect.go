package websocket

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/seed-15847954/ropewalk/websocket/internal/handshake"
)

// A Connector opens a stream by an extended CONNECT (RFC 8441, section 5; RFC 9220,
// section 3). Packages wsh2 and wsh3 have one each, for HTTP/2 and HTTP/3.
//
// Connect may be called at once by many goroutines.
type Connector interface {
	// Connect sends r and returns the answer. The method of r is CONNECT, the scheme
	// of r.URL is http or https, r.URL.Host is where to connect to, r.Host is
	// :authority, and r.Proto is "websocket", the value of :protocol. r.Header has
	// no header of the connection, nor a Sec-WebSocket-Key. r is not changed.
	//
	// With a status of 2xx, stream is the tunnel, and resp has no body to read. With
	// any other, stream is nil and the caller closes resp.Body. An error that wraps
	// [ErrNoExtendedConnect] says that the server cannot take r but may well speak
	// HTTP/1.1.
	//
	// ctx bounds the call and not the stream: the stream lives on when ctx ends. Its
	// Close resets the stream unless it has ended in good order: with CloseWrite,
	// which ends its sending direction, and io.EOF from Read.
	Connect(ctx context.Context, r *http.Request) (resp *http.Response, stream io.ReadWriteCloser, err error)
}

// ErrNoExtendedConnect says that a server does not offer the tunnels that a
// [Connector] asks for.
var ErrNoExtendedConnect = errors.New("the server does not offer extended CONNECT")

// openConnect does one handshake with t through the connector. opened is nil
// without an error if HTTP/1.1 is to be tried.
func (d *dialer) openConnect(ctx context.Context, t *handshake.Target) (*opened, *http.Response, error) {
	client := &handshake.Client{Subprotocols: d.subprotocols, Deflate: d.deflate}
	resp, stream, err := d.connector.Connect(ctx, d.connectRequest(ctx, t, client))
	if errors.Is(err, ErrNoExtendedConnect) && d.fallBack && ctx.Err() == nil {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, dialError(ctx, t, err)
	}
	if cookies := resp.Cookies(); d.jar != nil && len(cookies) > 0 {
		d.jar.SetCookies(cookieURL(t), cookies)
	}
	agreed, refusal := client.CheckConnect(resp)
	if refusal == nil && stream == nil {
		refusal = &handshake.Error{Status: resp.StatusCode, Section: "RFC 8441, section 5", Reason: "no stream came with the answer"}
	}
	if refusal != nil {
		if stream != nil {
			_ = stream.Close() // the error that counts is refusal
		}
		keepConnectBody(resp)
		return nil, resp, (*HandshakeError)(refusal)
	}
	if err := ctx.Err(); err != nil {
		_ = stream.Close() // the error that counts is err
		return nil, resp, dialError(ctx, t, err)
	}
	resp.Body = http.NoBody
	return &opened{stream: stream, agreed: agreed}, resp, nil
}

// connectRequest is the extended CONNECT to t (RFC 8441, section 5): http stands
// for ws, and https for wss.
func (d *dialer) connectRequest(ctx context.Context, t *handshake.Target, client *handshake.Client) *http.Request {
	host := d.host
	if host == "" {
		host = t.Host()
	}
	u := cookieURL(t)
	u.Host = t.Address()
	r := &http.Request{
		Method: http.MethodConnect,
		URL:    u,
		Host:   host,
		Proto:  handshake.ConnectProtocol,
		Header: client.ConnectHeader(d.requestHeader(t)),
	}
	return r.WithContext(ctx)
}

// keepConnectBody makes resp outlive its stream: the start of its body is read and
// put in the body's place.
func keepConnectBody(resp *http.Response) {
	if resp.Body == nil {
		resp.Body = http.NoBody
		return
	}
	source := resp.Body
	timer := time.AfterFunc(refusalBodyTime, func() { _ = source.Close() })
	body, _ := io.ReadAll(io.LimitReader(source, maxRefusalBody)) // as much as there is
	if timer.Stop() {
		_ = source.Close()
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
}

// checkConnector says what is wrong with the options about the connector.
func (d *dialer) checkConnector() error {
	if d.fallBack && d.connector == nil {
		return errors.New("DialOptions.FallBack without a Connector")
	}
	return nil
}
