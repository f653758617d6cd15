package wsh2

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// A request is an extended CONNECT (RFC 8441, section 4), as it goes out.
type request struct {
	target target
	fields []hpack.HeaderField
	size   uint64 // as SETTINGS_MAX_HEADER_LIST_SIZE counts it
}

// newRequest checks r and gives it its form for the wire.
func newRequest(r *http.Request) (*request, error) {
	if r.Method != http.MethodConnect || r.Proto == "" || r.URL == nil {
		return nil, errors.New("wsh2: not an extended CONNECT")
	}
	to, err := newTarget(r)
	if err != nil {
		return nil, err
	}
	authority := r.Host
	if authority == "" {
		authority = r.URL.Host
	}
	req := &request{target: to}
	req.add(":method", http.MethodConnect)
	req.add(":protocol", r.Proto)
	req.add(":scheme", r.URL.Scheme)
	req.add(":authority", authority)
	req.add(":path", r.URL.RequestURI())
	for name, values := range r.Header {
		name := strings.ToLower(name)
		if !httpguts.ValidHeaderFieldName(name) || isConnectionField(name) || name == "host" || name == "content-length" {
			return nil, fmt.Errorf("wsh2: header %.40q cannot be sent over HTTP/2", name)
		}
		for _, value := range values {
			req.add(name, value)
		}
	}
	for _, f := range req.fields {
		if !httpguts.ValidHeaderFieldValue(f.Value) {
			return nil, fmt.Errorf("wsh2: malformed value of %.40q", f.Name) // which may be secret
		}
	}
	return req, nil
}

func (r *request) add(name, value string) {
	f := hpack.HeaderField{Name: name, Value: value}
	// RFC 7541, section 7.1.3: what is secret stays out of the table.
	f.Sensitive = name == "authorization" || name == "cookie"
	r.fields = append(r.fields, f)
	r.size += uint64(f.Size())
}

func newTarget(r *http.Request) (target, error) {
	to := target{secure: r.URL.Scheme == "https"}
	if !to.secure && r.URL.Scheme != "http" {
		return to, fmt.Errorf("wsh2: scheme %.20q is neither http nor https", r.URL.Scheme)
	}
	port := r.URL.Port()
	if port == "" {
		port = map[bool]string{false: "80", true: "443"}[to.secure]
	}
	host := r.URL.Hostname()
	if host == "" {
		return to, errors.New("wsh2: URL without a host")
	}
	to.address = net.JoinHostPort(host, port)
	return to, nil
}

// serverName is the name that the server's certificate must bear.
func serverName(address string) string {
	host, _, _ := net.SplitHostPort(address) // newTarget has joined it
	host, _, _ = strings.Cut(host, "%")
	return host
}

// isConnectionField reports whether a field is about the connection, and so has no
// place in HTTP/2 (RFC 9113, section 8.2.2).
func isConnectionField(name string) bool {
	return slices.Contains([]string{"connection", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade"}, name)
}

// connect sends the request and waits for the answer. reserve has counted the stream
// before. The stream is nil if the answer is no 2xx.
func (c *conn) connect(ctx context.Context, r *http.Request, req *request) (*http.Response, *stream, error) {
	s, err := c.open(req)
	if err != nil {
		return nil, nil, err
	}
	resp, err := s.awaitAnswer(ctx)
	if err != nil {
		_ = s.Close() // the error that counts is err
		return nil, nil, err
	}
	resp.Request = r
	if resp.StatusCode/100 == 2 {
		resp.Body = http.NoBody
		return resp, s, nil
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{s, s}
	return resp, nil, nil
}

// open opens a stream with the request.
func (c *conn) open(req *request) (*stream, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reservedN--
	if c.err != nil || c.goingAway {
		c.settle()
		return nil, errNotProcessed
	}
	if req.size > c.peer.maxHeader {
		c.settle()
		return nil, fmt.Errorf("wsh2: the header has %d bytes, the server takes %d", req.size, c.peer.maxHeader)
	}
	s := &stream{
		c:          c,
		id:         c.nextID,
		readWake:   make(signal, 1),
		writeWake:  make(signal, 1),
		recvWindow: c.t.streamWindow(),
		sendWindow: c.peer.initialWindow,
	}
	if c.nextID += 2; c.nextID > maxStreamID {
		c.goingAway = true // RFC 9113, section 5.1.1
	}
	c.streams[s.id] = s
	c.sendHead(s.id, req.fields)
	return s, nil
}

// sendHead sends HEADERS, and CONTINUATION for what does not fit. The caller holds
// mu.
func (c *conn) sendHead(id uint32, fields []hpack.HeaderField) {
	c.block.Reset()
	for _, f := range fields {
		_ = c.encoder.WriteField(f) // into memory
	}
	block := c.block.Bytes()
	first := block[:min(len(block), maxFrameSize)]
	rest := block[len(first):]
	c.send(func(f *http2.Framer) error {
		return f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: first, EndHeaders: len(rest) == 0})
	})
	for len(rest) > 0 {
		next := rest[:min(len(rest), maxFrameSize)]
		rest = rest[len(next):]
		c.send(func(f *http2.Framer) error { return f.WriteContinuation(id, len(rest) == 0, next) })
	}
}

// awaitAnswer waits for the head of the answer.
func (s *stream) awaitAnswer(ctx context.Context) (*http.Response, error) {
	c := s.c
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		switch {
		case s.resp != nil:
			return s.resp, nil
		case s.recvErr != nil:
			return nil, s.recvErr
		case ctx.Err() != nil:
			return nil, ctx.Err()
		}
		c.mu.Unlock()
		select {
		case <-s.readWake:
		case <-ctx.Done():
		}
		c.mu.Lock()
	}
}
