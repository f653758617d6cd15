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
