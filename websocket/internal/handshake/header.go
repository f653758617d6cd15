package handshake

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// CheckHeader reports whether the application may add h to a handshake: nothing in
// it can end its line (RFC 9110, section 5.5), and nothing stands in for what the
// handshake or the framing of HTTP says itself.
func CheckHeader(h http.Header) error {
	for name, values := range h {
		if !IsToken(name) {
			return fmt.Errorf("header name %.40q is not a token", name)
		}
		if IsReserved(name) {
			return fmt.Errorf("header %.40s belongs to the handshake", name)
		}
		for _, value := range values {
			if !isFieldValue(value) {
				return fmt.Errorf("control character in the value of header %.40s", name)
			}
		}
	}
	return nil
}

// IsReserved reports whether the header is written by the handshake, or would
// change how the message that carries it is framed or forwarded.
func IsReserved(name string) bool {
	switch name = toLower(name); name {
	case "connection", "content-length", "expect", "host", "http2-settings", "keep-alive",
		"proxy-connection", "te", "trailer", "transfer-encoding", "upgrade":
		return true
	}
	return strings.HasPrefix(name, "sec-websocket-")
}

func isFieldValue[T string | []byte](s T) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// Allowed returns the part of h that CheckHeader does not object to, without the
// description of a body. It is for headers set by others than the one who asks
// for the handshake.
func Allowed(h http.Header) http.Header {
	if len(h) == 0 {
		return nil
	}
	allowed := make(http.Header)
	for name, values := range h {
		one := http.Header{name: values}
		if CheckHeader(one) == nil && !strings.HasPrefix(toLower(name), "content-") {
			allowed[name] = slices.Clone(values)
		}
	}
	return allowed
}

// appendHeader appends the lines of h, sorted by name. It was checked.
func appendHeader(b []byte, h http.Header) []byte {
	if len(h) == 0 {
		return b
	}
	names := make([]string, 0, len(h))
	for name := range h {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, value := range h[name] {
			b = appendLine(b, name, trim(value))
		}
	}
	return b
}

func appendLine(b []byte, name, value string) []byte {
	b = append(b, name...)
	b = append(b, ": "...)
	b = append(b, value...)
	return append(b, "\r\n"...)
}
