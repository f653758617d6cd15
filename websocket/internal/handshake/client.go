package handshake

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// A Client is what the client's side of one handshake goes by.
type Client struct {
	Key          string
	Subprotocols []string
	Deflate      *Deflate
}

// Request returns the request that opens the handshake (RFC 6455, section 4.1).
// CheckHeader has passed extra.
func (c *Client) Request(t *Target, host string, extra http.Header) []byte {
	b := append([]byte("GET "), t.RequestURI...)
	b = append(b, " HTTP/1.1\r\n"...)
	b = appendLine(b, "Host", host)
	b = append(b, "Upgrade: websocket\r\nConnection: Upgrade\r\n"...)
	b = appendLine(b, "Sec-WebSocket-Key", c.Key)
	b = appendLine(b, "Sec-WebSocket-Version", version)
	if len(c.Subprotocols) > 0 {
		b = appendLine(b, "Sec-WebSocket-Protocol", strings.Join(c.Subprotocols, ", "))
	}
	if offer := c.Deflate.Offer(); offer != "" {
		b = appendLine(b, "Sec-WebSocket-Extensions", offer)
	}
	b = appendHeader(b, extra)
	return append(b, "\r\n"...)
}

// Check compares the answer with RFC 6455, section 4.1. Every departure is an
// error, a status other than 101 included.
func (c *Client) Check(resp *http.Response) (*Agreement, *Error) {
	a, err := c.check(resp)
	if err != nil {
		err.Status, err.Header = resp.StatusCode, resp.Header
		return nil, err
	}
	return a, nil
}

func (c *Client) check(resp *http.Response) (*Agreement, *Error) {
	if resp.StatusCode != http.StatusSwitchingProtocols {
		return nil, answerErrorf("4.1", "server answered %s", strings.TrimSpace(resp.Status))
	}
	if err := c.checkUpgraded(resp); err != nil {
		return nil, err
	}
	return c.agree(resp)
}

// agree checks what the answer says about subprotocol and extensions.
func (c *Client) agree(resp *http.Response) (*Agreement, *Error) {
	a := &Agreement{}
	if lines := resp.Header.Values("Sec-WebSocket-Protocol"); len(lines) > 0 {
		a.Subprotocol = lines[0]
		// 11.3.4: the header appears once.
		if len(lines) > 1 || !slices.Contains(c.Subprotocols, a.Subprotocol) {
			return nil, answerErrorf("4.1", "subprotocol %.80q was not asked for", strings.Join(lines, ", "))
		}
	}
	extensions, err := ParseExtensions(resp.Header.Values("Sec-WebSocket-Extensions"))
	if err != nil {
		return nil, answerErrorf("9.1", "%v", err)
	}
	if a.Deflate, err = c.Deflate.CheckAnswer(extensions); err != nil {
		return nil, answerErrorf("RFC 7692, section 7.1", "%v", err)
	}
	return a, nil
}

// checkUpgraded checks that a server of this protocol has accepted this request.
func (c *Client) checkUpgraded(resp *http.Response) *Error {
	if resp.ProtoMajor != 1 || !resp.ProtoAtLeast(1, 1) {
		return answerErrorf("4.2.2", "the answer came over %.20q", resp.Proto)
	}
	if lines := resp.Header.Values("Upgrade"); len(lines) != 1 || !equalFold(lines[0], "websocket") {
		return answerErrorf("4.1", "Upgrade of the answer is not websocket")
	}
	if !HasToken(resp.Header.Values("Connection"), "upgrade") {
		return answerErrorf("4.1", "Connection of the answer does not name Upgrade")
	}
	accepts := resp.Header.Values("Sec-WebSocket-Accept")
	if len(accepts) != 1 || accepts[0] != Accept(c.Key) {
		return answerErrorf("4.1", "Sec-WebSocket-Accept is not the one value that answers the key")
	}
	// RFC 9110, section 8.6: a 101 has no body. Content-Length: 0 says so too.
	if len(resp.TransferEncoding) > 0 || slices.ContainsFunc(resp.Header.Values("Content-Length"), isNotZero) {
		return answerErrorf("4.2.2", "the answer has a body")
	}
	return nil
}

func isNotZero(s string) bool { return s != "0" }

func answerErrorf(section, format string, args ...any) *Error {
	return &Error{Section: section, Reason: fmt.Sprintf(format, args...)}
}

// Versions returns the versions that a server says it speaks, in its order
// (RFC 6455, section 4.4). What is no version is left out.
func Versions(h http.Header) []string {
	var versions []string
	for _, line := range h.Values("Sec-WebSocket-Version") {
		for element := range strings.SplitSeq(line, ",") {
			if v := trim(element); isVersion(v) {
				versions = append(versions, v)
			}
		}
	}
	return versions
}
