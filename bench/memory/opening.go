package memory

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"net"
	"net/http"
	"strings"
)

// URL is what a client dials. Its host is never looked up.
const URL = "ws://memory.invalid/"

// An opening is the opening handshake of a Conn, which both sides play alone: a
// server's response is swallowed, a client's request is answered from here.
type opening struct {
	sent   []byte
	answer []byte
}

// Opened ends the opening handshake. From then on the Conn reads from its source
// and writes to its sink.
func (c *Conn) Opened() { c.opening = nil }

func (o *opening) write(p []byte) (int, error) {
	o.sent = append(o.sent, p...)
	if !bytes.HasPrefix(o.sent, []byte("GET ")) || !bytes.HasSuffix(o.sent, []byte("\r\n\r\n")) {
		return len(p), nil
	}
	req, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(o.sent)))
	if err != nil {
		return 0, err
	}
	var b bytes.Buffer
	if err := Answer(req).Write(&b); err != nil {
		return 0, err
	}
	o.answer = b.Bytes()
	return len(p), nil
}

func (o *opening) read(p []byte) (int, error) {
	if len(o.answer) == 0 {
		return 0, errors.New("memory: read during the opening handshake with nothing to read")
	}
	n := copy(p, o.answer)
	o.answer = o.answer[n:]
	return n, nil
}

// Answer returns the response that accepts req (RFC 6455, section 4.2.2).
func Answer(req *http.Request) *http.Response {
	sum := sha1.Sum([]byte(req.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return &http.Response{
		StatusCode: http.StatusSwitchingProtocols,
		ProtoMajor: 1,
		ProtoMinor: 1,
		Header: http.Header{
			"Upgrade":              {"websocket"},
			"Connection":           {"Upgrade"},
			"Sec-Websocket-Accept": {base64.StdEncoding.EncodeToString(sum[:])},
		},
		Request: req,
	}
}

// Request returns the opening request of a client as an http.Handler gets it,
// with a ResponseWriter that lets c be hijacked. As with net/http, the buffers
// that come with it have 4,096 bytes each.
func (c *Conn) Request() (http.ResponseWriter, *http.Request) {
	req, err := http.NewRequest(http.MethodGet, strings.Replace(URL, "ws:", "http:", 1), nil)
	if err != nil {
		panic(err) // the URL is constant
	}
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", "websocket")
	req.Header.Set("Sec-WebSocket-Version", "13")
	req.Header.Set("Sec-WebSocket-Key", base64.StdEncoding.EncodeToString(make([]byte, 16)))
	return &responseWriter{conn: c, header: make(http.Header)}, req
}

type responseWriter struct {
	conn   *Conn
	header http.Header
}

func (w *responseWriter) Header() http.Header         { return w.header }
func (w *responseWriter) WriteHeader(int)             {}
func (w *responseWriter) Write(p []byte) (int, error) { return w.conn.Write(p) }

// Hijack hands out the Conn (see http.Hijacker).
func (w *responseWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	const size = 4096
	return w.conn, bufio.NewReadWriter(bufio.NewReaderSize(w.conn, size), bufio.NewWriterSize(w.conn, size)), nil
}
