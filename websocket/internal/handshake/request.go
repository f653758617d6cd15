package handshake

import (
	"bytes"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// ParseRequest parses the head of a request, CRLF CRLF included, as HeadEnd has
// found it, by the letter of RFC 9112. What it accepts, net/http accepts with the
// same meaning; it refuses besides the forms about which parsers disagree. It
// writes in head: the names of headers get their canonical form.
//
// The request has no context, address or TLS state. ContentLength is that of RFC
// 9112, section 6.3 (-1 where it is not known), but Body is empty.
func ParseRequest(head []byte) (*http.Request, *Error) {
	if len(head) > math.MaxUint16 {
		return nil, ErrHeadTooLarge()
	}
	end := bytes.Index(head, crlf)
	if end < 0 {
		return nil, malformed("request line")
	}
	var array [40]field
	fields, err := parseFields(head, end+len(crlf), array[:0])
	if err != nil {
		return nil, err
	}
	text := string(head) // every string of the request is a part of this one
	r := &http.Request{Body: http.NoBody}
	if err := parseRequestLine(r, text[:end]); err != nil {
		return nil, err
	}
	if err := setHeader(r, text, fields); err != nil {
		return nil, err
	}
	r.ContentLength, err = contentLength(r.Header)
	return r, err
}

// ErrHeadTooLarge is the refusal of a request whose head is too large.
func ErrHeadTooLarge() *Error {
	return refusef(http.StatusRequestHeaderFieldsTooLarge, "", "the head of the request is too large")
}

// ErrRequestTimeout is the refusal of a request that took too long to come.
func ErrRequestTimeout() *Error {
	return refusef(http.StatusRequestTimeout, "", "the request took too long to arrive")
}

// malformed is the refusal of a request that is not HTTP/1.1 as it should be.
func malformed(what string) *Error { return badRequestf("RFC 9112", "malformed %s", what) }

// parseRequestLine parses method SP request-target SP version (RFC 9112, section
// 3), with one space each.
func parseRequestLine(r *http.Request, line string) (err *Error) {
	method, rest, ok := strings.Cut(line, " ")
	target, proto, found := strings.Cut(rest, " ")
	if !ok || !found || !IsToken(method) {
		return malformed("request line")
	}
	const form = "HTTP/d.d"
	if len(proto) != len(form) || proto[:5] != form[:5] || !isDigit(proto[5]) || proto[6] != '.' || !isDigit(proto[7]) {
		return malformed("request line")
	}
	if proto[5] != '1' {
		return refusef(http.StatusHTTPVersionNotSupported, "RFC 9110, section 2.5", "%s is not spoken here", proto)
	}
	r.Method, r.RequestURI = method, target
	r.Proto, r.ProtoMajor, r.ProtoMinor = proto, 1, int(proto[7]-'0')
	r.URL, err = parseRequestTarget(target)
	return err
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// parseRequestTarget parses a path with a query, an absolute URI or "*"
// (RFC 9112, section 3.2).
func parseRequestTarget(target string) (*url.URL, *Error) {
	for i := range len(target) {
		// RFC 3986: a URI is ASCII; and a fragment is no part of what is sent.
		if c := target[i]; c <= ' ' || c >= 0x7f || c == '#' {
			return nil, malformed("request-target")
		}
	}
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return nil, malformed("request-target")
	}
	// RFC 9110, section 4.2: an absolute URI has a host. 4.2.4: userinfo in it is
	// there to mislead.
	if u.Scheme != "" && (u.Host == "" || u.User != nil) {
		return nil, malformed("request-target")
	}
	return u, nil
}

// A field is where a header line has its name and its value, without the white
// space around it.
type field struct{ name, nameEnd, value, valueEnd uint16 }

// parseFields parses the lines from start to the empty one (RFC 9112, section 5),
// appends them to fields, and makes their names canonical in head.
func parseFields(head []byte, start int, fields []field) ([]field, *Error) {
	for {
		n := bytes.IndexByte(head[start:], '\r')
		if n < 0 || start+n+1 >= len(head) || head[start+n+1] != '\n' {
			return nil, malformed("end of a line")
		}
		if n == 0 {
			return fields, nil
		}
		line := head[start : start+n]
		// 5.1: no space before the colon. 5.2: no line that begins with one, which
		// once went on with the value of the line before.
		name := bytes.IndexByte(line, ':')
		if name < 0 || !canonicalise(line[:name]) {
			return nil, malformed("name of a header")
		}
		from, to := name+1, n
		for from < to && isSpace(line[from]) {
			from++
		}
		for from < to && isSpace(line[to-1]) {
			to--
		}
		if !isFieldValue(line[from:to]) {
			return nil, malformed("value of a header")
		}
		fields = append(fields, field{
			name: uint16(start), nameEnd: uint16(start + name),
			value: uint16(start + from), valueEnd: uint16(start + to),
		})
		start += n + len(crlf)
	}
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' }

// canonicalise gives name the form of textproto.CanonicalMIMEHeaderKey, if it is
// a token.
func canonicalise(name []byte) bool {
	first := true
	for i, c := range name {
		switch {
		case !tokenBytes[c]:
			return false
		case first && 'a' <= c && c <= 'z':
			c -= 'a' - 'A'
		case !first:
			c = lower(c)
		}
		name[i] = c
		first = c == '-'
	}
	return len(name) > 0
}

// setHeader gives r its header and its Host, which is not among the rest.
func setHeader(r *http.Request, text string, fields []field) *Error {
	r.Header = make(http.Header, len(fields))
	values := make([]string, 0, len(fields))
	hosts := 0
	for _, f := range fields {
		name, value := text[f.name:f.nameEnd], text[f.value:f.valueEnd]
		if name == "Host" {
			r.Host = value
			hosts++
			continue
		}
		if lines, ok := r.Header[name]; ok {
			r.Header[name] = append(lines, value)
			continue
		}
		values = append(values, value)
		r.Header[name] = values[len(values)-1 : len(values) : len(values)]
	}
	// RFC 9112, section 3.2: one Host, but HTTP/1.0 knows none.
	if hosts > 1 || hosts == 0 && r.ProtoMinor > 0 {
		return badRequestf("4.2.1", "the request has %d Host headers", hosts)
	}
	if r.URL.Host != "" {
		r.Host = r.URL.Host // 3.2.2: an absolute URI is what counts
	}
	return nil
}

// contentLength returns the length of the body that the header announces, -1 for
// one that only ends (RFC 9112, section 6.3). What two parsers could disagree
// about is an error.
func contentLength(h http.Header) (int64, *Error) {
	lines := h["Content-Length"]
	if len(h["Transfer-Encoding"]) > 0 {
		if len(lines) > 0 {
			return 0, malformed("body: Content-Length beside Transfer-Encoding")
		}
		return -1, nil
	}
	if len(lines) == 0 {
		return 0, nil
	}
	n, err := strconv.ParseUint(lines[0], 10, 63)
	if err != nil || len(lines) > 1 {
		return 0, malformed("Content-Length")
	}
	return int64(n), nil
}

// ErrMalformedHead is the refusal of a request in whose head no end was found
// because of err.
func ErrMalformedHead(err error) *Error { return malformed(err.Error()) }

// AppendAnswer appends an answer to a request, one line for each value of h.
func AppendAnswer(b []byte, status int, h http.Header, body string) []byte {
	b = append(b, "HTTP/1.1 "...)
	b = strconv.AppendInt(b, int64(status), 10)
	b = append(append(append(b, ' '), http.StatusText(status)...), "\r\n"...)
	b = appendHeader(b, h)
	return append(append(b, "\r\n"...), body...)
}
