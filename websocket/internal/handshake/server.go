package handshake

import (
	"net/http"
	"slices"
	"strconv"

	"github.com/seed-15847954/ropewalk/websocket/internal/deflate"
)

// A Server is what the server's side of a handshake goes by.
type Server struct {
	Subprotocols []string
	Origins      []OriginPattern
	AnyOrigin    bool
	Deflate      *Deflate
}

// An Agreement is the outcome of a handshake.
type Agreement struct {
	Subprotocol string
	Deflate     *deflate.Params

	// The server's answer.
	accept     acceptValue
	extensions string
}

// version is the one version of the protocol that is spoken (RFC 6455,
// section 4.1).
const version = "13"

// Check compares the request with RFC 6455, section 4.2.1, and decides what to
// agree on (section 4.2.2). The error says how to refuse the request.
//
// The names in r.Header are canonical, as all servers make them. What the
// agreement holds is no part of the request's memory.
func (s *Server) Check(r *http.Request) (a Agreement, err *Error) {
	if err := checkForm(r); err != nil {
		return a, err
	}
	keys := r.Header["Sec-Websocket-Key"]
	if len(keys) != 1 || !ValidKey(keys[0]) {
		return a, badRequestf("4.2.1", "Sec-WebSocket-Key is not one value of 16 octets in base64")
	}
	a, err = s.agree(r)
	a.accept = acceptFor(keys[0])
	return a, err
}

// agree decides what to agree on.
func (s *Server) agree(r *http.Request) (a Agreement, err *Error) {
	offers, err := parseOffers(r.Header["Sec-Websocket-Extensions"])
	if err != nil {
		return a, err
	}
	subprotocols, malformed := ParseSubprotocols(r.Header["Sec-Websocket-Protocol"])
	if malformed != nil {
		return a, badRequestf("4.1", "%v", malformed)
	}
	if err := s.CheckOrigin(r); err != nil {
		return a, refusef(http.StatusForbidden, "4.2.2", "%v", err)
	}
	a.Subprotocol = SelectSubprotocol(subprotocols, s.Subprotocols)
	a.extensions, a.Deflate = s.Deflate.AcceptDeflate(offers)
	return a, nil
}

// parseOffers parses the extensions that a client offers. 9.1: what breaks the
// grammar fails the handshake, whether or not an extension would be used.
func parseOffers(lines []string) ([]Extension, *Error) {
	if !slices.ContainsFunc(lines, func(line string) bool { return trim(line) != "" }) {
		return nil, nil // an empty header is how some clients say that they have nothing to offer
	}
	offers, err := ParseExtensions(lines)
	if err != nil {
		return nil, badRequestf("9.1", "%v", err)
	}
	return offers, nil
}

// checkForm checks what is the same for every request.
func checkForm(r *http.Request) *Error {
	if err := checkRequestLine(r); err != nil {
		return err
	}
	if err := checkUpgrade(r); err != nil {
		return err
	}
	if err := checkMessage(r); err != nil {
		return err
	}
	return checkVersion(r)
}

// CheckOrigin reports whether the page that r comes from, if it does from one, may use
// the server.
func (s *Server) CheckOrigin(r *http.Request) error {
	lines := r.Header["Origin"]
	if s.AnyOrigin || len(lines) == 1 && isPlainlySame(lines[0], r.Host, r.TLS != nil) {
		return nil
	}
	return CheckOrigin(lines, r.Host, r.TLS != nil, s.Origins)
}

func checkRequestLine(r *http.Request) *Error {
	if r.ProtoMajor != 1 {
		return refusef(http.StatusNotImplemented, "RFC 8441",
			"this server speaks WebSocket over HTTP/1.1 only, the request came over %s", r.Proto)
	}
	if r.Method != http.MethodGet {
		err := refusef(http.StatusMethodNotAllowed, "4.2.1", "method %.20q is not GET", r.Method)
		err.Header = http.Header{"Allow": {http.MethodGet}}
		return err
	}
	if r.URL.Scheme != "" && r.URL.Scheme != "http" && r.URL.Scheme != "https" || r.RequestURI == "*" {
		return badRequestf("4.2.1", "request-target is neither a path nor an http or https URI")
	}
	return nil
}

// checkUpgrade sees to the headers that ask for the protocol. RFC 9110, section
// 7.8: an Upgrade in a request of HTTP/1.0 is ignored.
func checkUpgrade(r *http.Request) *Error {
	if !r.ProtoAtLeast(1, 1) {
		return upgradeRequired("4.2.1", "the request came over %s, the handshake needs HTTP/1.1", r.Proto)
	}
	if !HasToken(r.Header["Upgrade"], "websocket") {
		return upgradeRequired("4.2.1", "Upgrade does not name websocket")
	}
	if !HasToken(r.Header["Connection"], "upgrade") {
		return badRequestf("4.2.1", "Connection does not name Upgrade")
	}
	return nil
}

// checkMessage sees to Host and to the body, which a handshake has none of: bytes
// that are frames to one parser and a body to another could be a request to a third.
func checkMessage(r *http.Request) *Error {
	if err := CheckHost(r.Host); err != nil {
		return badRequestf("4.2.1", "Host: %v", err)
	}
	if r.ContentLength != 0 { // -1 with a Transfer-Encoding
		return badRequestf("4.2.1", "the request has a body")
	}
	return nil
}

// checkVersion sees to Sec-WebSocket-Version. 4.4: whatever is wrong with it, the
// answer lists what is spoken.
func checkVersion(r *http.Request) *Error {
	versions := r.Header["Sec-Websocket-Version"]
	if len(versions) == 1 && versions[0] == version {
		return nil
	}
	if len(versions) == 1 && isVersion(versions[0]) {
		return upgradeRequired("4.4", "Sec-WebSocket-Version %s is not spoken", versions[0])
	}
	err := badRequestf("4.2.1", "Sec-WebSocket-Version is not one number")
	err.Header = http.Header{"Sec-WebSocket-Version": {version}}
	return err
}

// isVersion reports whether s is a version: 0 to 255 without leading zeros
// (RFC 6455, section 4.3).
func isVersion(s string) bool {
	n, err := strconv.ParseUint(s, 10, 8)
	return err == nil && strconv.FormatUint(n, 10) == s
}

// upgradeRequired refuses a request that could succeed with another Upgrade or
// another version.
func upgradeRequired(section, format string, args ...any) *Error {
	err := refusef(http.StatusUpgradeRequired, section, format, args...)
	err.Header = http.Header{"Upgrade": {"websocket"}, "Sec-WebSocket-Version": {version}}
	return err
}

// AppendResponse appends the answer that opens the connection (RFC 6455, section
// 4.2.2). CheckHeader has passed extra.
func (a *Agreement) AppendResponse(b []byte, extra http.Header) []byte {
	b = append(b, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"...)
	b = append(append(append(b, "Sec-WebSocket-Accept: "...), a.accept[:]...), "\r\n"...)
	if a.Subprotocol != "" {
		b = appendLine(b, "Sec-WebSocket-Protocol", a.Subprotocol)
	}
	if a.extensions != "" {
		b = appendLine(b, "Sec-WebSocket-Extensions", a.extensions)
	}
	b = appendHeader(b, extra)
	return append(b, "\r\n"...)
}
