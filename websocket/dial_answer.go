package websocket

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/seed-15847954/ropewalk/websocket/internal/handshake"
)

// An answerReader reads the answers of an HTTP server from stream. What comes
// behind the head of an answer stays in buf.
type answerReader struct {
	stream net.Conn
	buf    []byte
	left   int // how many bytes heads may still have; negative: any number
}

func newAnswerReader(stream net.Conn, maxBytes int) *answerReader {
	return &answerReader{stream: stream, left: maxBytes}
}

// next reads the answer to r. Interim answers, such as 103, are passed over
// (RFC 9110, section 15.2). The Body reads on from the stream, if there is one: 1xx
// and answers to CONNECT have none.
func (a *answerReader) next(r *http.Request) (*http.Response, error) {
	for {
		head, err := a.head()
		if err != nil {
			return nil, err
		}
		if err := handshake.CheckHead(head); err != nil {
			return nil, answerError(err)
		}
		// The parser reads ahead, so that it only gets what is not to be read again.
		source := io.Reader(bytes.NewReader(head))
		final := head[len("HTTP/1.1 ")] != '1'
		if final && r.Method != http.MethodConnect {
			source = io.MultiReader(source, bytes.NewReader(a.buf), a.stream)
		}
		resp, err := http.ReadResponse(bufio.NewReader(source), r)
		if err != nil {
			return nil, answerError(err)
		}
		if final || resp.StatusCode == http.StatusSwitchingProtocols {
			return resp, nil
		}
	}
}

// head reads up to the empty line that ends a head, and takes it out of buf.
func (a *answerReader) head() ([]byte, error) {
	n, found, err := handshake.HeadEnd(a.buf, 0)
	for err == nil && !found {
		if a.left >= 0 && len(a.buf) > a.left {
			return nil, answerError(errHeadTooBig)
		}
		if err := a.fill(); err != nil {
			return nil, fmt.Errorf("read answer: %w", err)
		}
		n, found, err = handshake.HeadEnd(a.buf, n)
	}
	if err != nil {
		return nil, answerError(err)
	}
	if a.left >= 0 {
		if a.left -= n; a.left < 0 {
			return nil, answerError(errHeadTooBig)
		}
	}
	head := a.buf[:n:n]
	a.buf = a.buf[n:]
	return head, nil
}

var errHeadTooBig = errors.New("the answer's header is larger than DialOptions.MaxResponseHeader")

// fill reads more into buf.
func (a *answerReader) fill() error {
	const chunk = 4 << 10
	a.buf = slices.Grow(a.buf, chunk)
	used := len(a.buf)
	n, err := a.stream.Read(a.buf[used : used+chunk])
	a.buf = a.buf[:used+n]
	if n > 0 {
		return nil
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// answerError is for an answer that is not one of HTTP.
func answerError(err error) error {
	return &HandshakeError{Section: "4.2.2", Reason: err.Error()}
}

const (
	maxRefusalBody  = 4 << 10
	refusalBodyTime = time.Second
)

// keepBody makes resp outlive the stream: it reads the start of the body and puts
// that in the body's place. The stream is of no more use then.
func (a *answerReader) keepBody(resp *http.Response) {
	timer := time.AfterFunc(refusalBodyTime, func() { _ = a.stream.Close() })
	defer timer.Stop()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxRefusalBody)) // as much as there is
	resp.Body = io.NopCloser(bytes.NewReader(body))
}
