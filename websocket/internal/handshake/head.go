package handshake

import (
	"bytes"
	"errors"
	"fmt"
)

// HeadEnd looks for the empty line that ends the head of an HTTP message, from
// the start of a line on. It returns the position behind it and true, or where to
// look on once more bytes are there. A line that does not end in CRLF is an error:
// parsers disagree about such heads.
func HeadEnd(b []byte, from int) (n int, found bool, err error) {
	for {
		i := bytes.IndexByte(b[from:], '\n')
		if i < 0 {
			return from, false, nil
		}
		if i == 0 || b[from+i-1] != '\r' {
			return from, false, errors.New("line of the head does not end in CRLF")
		}
		from += i + 1
		if i == 1 {
			return from, true, nil
		}
	}
}

// CheckHead checks the form of a response's head, CRLF CRLF included (RFC 9112,
// sections 4 and 5), where the parser of net/http is laxer.
func CheckHead(head []byte) error {
	status, rest, _ := bytes.Cut(head, crlf)
	if !isStatusLine(status) {
		return fmt.Errorf("malformed status line %.80q", status)
	}
	for {
		line, after, _ := bytes.Cut(rest, crlf)
		if len(line) == 0 {
			return nil
		}
		// A line that begins with white space has no name: folding is obsolete.
		name, value, ok := bytes.Cut(line, colon)
		if !ok || !IsToken(string(name)) || !isFieldValue(value) {
			return fmt.Errorf("malformed header line %.80q", line)
		}
		rest = after
	}
}

var (
	crlf  = []byte("\r\n")
	colon = []byte(":")
)

// isStatusLine reports whether line is HTTP/1.x, a space, three digits, and either
// the end or a space and a reason.
func isStatusLine(line []byte) bool {
	const form = "HTTP/1.d ddd"
	if len(line) < len(form) {
		return false
	}
	for i := range len(form) {
		digit := '0' <= line[i] && line[i] <= '9'
		if form[i] == 'd' && !digit || form[i] != 'd' && line[i] != form[i] {
			return false
		}
	}
	reason := line[len(form):]
	return len(reason) == 0 || reason[0] == ' ' && isFieldValue(reason)
}
