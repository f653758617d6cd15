package handshake

import (
	"net/http"
	"strings"
)

// ConnectProtocol is the :protocol of a tunnel for WebSocket (RFC 8441, section 5).
const ConnectProtocol = "websocket"

// ConnectHeader returns the header of the extended CONNECT that opens the handshake
// (RFC 8441, section 5). There is no key, and nothing about the connection: HTTP/2
// and HTTP/3 have no Upgrade. CheckHeader has passed extra.
func (c *Client) ConnectHeader(extra http.Header) http.Header {
	h := make(http.Header, len(extra)+3)
	for name, values := range extra {
		for _, value := range values {
			h[name] = append(h[name], trim(value))
		}
	}
	h.Set("Sec-WebSocket-Version", version)
	if len(c.Subprotocols) > 0 {
		h.Set("Sec-WebSocket-Protocol", strings.Join(c.Subprotocols, ", "))
	}
	if offer := c.Deflate.Offer(); offer != "" {
		h.Set("Sec-WebSocket-Extensions", offer)
	}
	return h
}

// CheckConnect compares the answer to an extended CONNECT with RFC 8441, section 5.
// Every departure is an error, a status other than 2xx included.
func (c *Client) CheckConnect(resp *http.Response) (*Agreement, *Error) {
	a, err := c.checkConnect(resp)
	if err != nil {
		err.Status, err.Header = resp.StatusCode, resp.Header
		return nil, err
	}
	return a, nil
}

func (c *Client) checkConnect(resp *http.Response) (*Agreement, *Error) {
	if resp.StatusCode/100 != 2 {
		return nil, answerErrorf("RFC 8441, section 5", "server answered %s", strings.TrimSpace(resp.Status))
	}
	for _, name := range []string{"Connection", "Upgrade", "Transfer-Encoding", "Keep-Alive", "Proxy-Connection"} {
		if _, found := resp.Header[name]; found {
			return nil, answerErrorf("RFC 8441, section 5", "the answer has %s", name)
		}
	}
	return c.agree(resp)
}

// CheckConnect compares an extended CONNECT with RFC 8441, section 5, and decides
// what to agree on. A key is not looked at: there is no use for one. The error says
// how to refuse the request.
func (s *Server) CheckConnect(r *http.Request) (a Agreement, err *Error) {
	for _, check := range []func(*http.Request) *Error{checkConnectLine, checkConnectMessage, checkConnectVersion} {
		if err := check(r); err != nil {
			return a, err
		}
	}
	return s.agree(r)
}

func checkConnectLine(r *http.Request) *Error {
	protocol := connectProtocol(r)
	switch {
	case r.Method != http.MethodConnect:
		err := refusef(http.StatusMethodNotAllowed, "RFC 8441, section 5", "method %.20q is not CONNECT", r.Method)
		err.Header = http.Header{"Allow": {http.MethodConnect}}
		return err
	case protocol == "":
		return refusef(http.StatusNotImplemented, "RFC 8441, section 4", "this is no proxy")
	case !equalFold(protocol, ConnectProtocol):
		return refusef(http.StatusNotImplemented, "RFC 8441, section 5", ":protocol %.40q is not websocket", protocol)
	case r.URL.Scheme != "" && r.URL.Scheme != "http" && r.URL.Scheme != "https" || r.RequestURI == "*":
		return badRequestf("RFC 8441, section 4", ":scheme and :path are not those of an http or https URI")
	}
	return nil
}

// connectProtocol returns :protocol, or "" where there is none. Servers for HTTP/2
// put it into the header, and one for HTTP/3 in the place of the version.
func connectProtocol(r *http.Request) string {
	if values := r.Header[":protocol"]; len(values) > 0 {
		return values[0]
	}
	if strings.HasPrefix(r.Proto, "HTTP/") {
		return ""
	}
	return r.Proto
}

// checkConnectMessage sees to :authority and to the stream, which must be a tunnel:
// open, and of no announced length (RFC 9113, section 8.5).
func checkConnectMessage(r *http.Request) *Error {
	if err := CheckHost(r.Host); err != nil {
		return badRequestf("RFC 8441, section 4", ":authority: %v", err)
	}
	if r.ContentLength != -1 {
		return badRequestf("RFC 8441, section 5", "the stream has an announced end")
	}
	return nil
}

// checkConnectVersion sees to Sec-WebSocket-Version. The status for one that is
// not spoken is 400: 426 demands an Upgrade, which HTTP/2 has not.
func checkConnectVersion(r *http.Request) *Error {
	if versions := r.Header["Sec-Websocket-Version"]; len(versions) == 1 && versions[0] == version {
		return nil
	}
	err := badRequestf("4.4", "Sec-WebSocket-Version is not 13")
	err.Header = http.Header{"Sec-WebSocket-Version": {version}}
	return err
}

// ConnectHeader returns the header of the answer that opens the tunnel, which has
// the status 200. CheckHeader has passed extra.
func (a *Agreement) ConnectHeader(extra http.Header) http.Header {
	h := make(http.Header, len(extra)+2)
	for name, values := range extra {
		h[http.CanonicalHeaderKey(name)] = values
	}
	if a.Subprotocol != "" {
		h.Set("Sec-WebSocket-Protocol", a.Subprotocol)
	}
	if a.extensions != "" {
		h.Set("Sec-WebSocket-Extensions", a.extensions)
	}
	return h
}
