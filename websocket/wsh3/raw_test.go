package wsh3_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"testing"

	"github.com/quic-go/qpack"
	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/quicvarint"

	"github.com/seed-15847954/ropewalk/websocket/frame"
	"github.com/seed-15847954/ropewalk/websocket/wstest"
)

// A rawClient is a connection of quic-go's own client.
type rawClient struct {
	*http3.ClientConn
	quic *quic.Conn
	addr string
}

// rawDial opens a connection that ends with the test.
func rawDial(t *testing.T, s *server) *rawClient {
	t.Helper()
	c, err := quic.DialAddr(waiting(t), s.addr, clientTLS(), &quic.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseWithError(0x100, "") })
	h := &http3.Transport{DisableCompression: true}
	return &rawClient{ClientConn: h.NewClientConn(c), quic: c, addr: s.addr}
}

// handshake is the header of an opening handshake, with pairs added.
func handshake(pairs ...string) http.Header {
	h := http.Header{"Sec-Websocket-Version": {"13"}}
	for i := 0; i < len(pairs); i += 2 {
		h.Set(pairs[i], pairs[i+1])
	}
	return h
}

// connect sends an extended CONNECT and returns the answer.
func (c *rawClient) connect(t *testing.T, protocol string, header http.Header) (*http3.RequestStream, *http.Response) {
	t.Helper()
	str, err := c.OpenRequestStream(waiting(t))
	if err != nil {
		t.Fatal(err)
	}
	r := &http.Request{
		Method: http.MethodConnect,
		Proto:  protocol,
		URL:    &url.URL{Scheme: "https", Host: c.addr, Path: "/"},
		Host:   c.addr,
		Header: header,
	}
	if err := str.SendRequestHeader(r); err != nil {
		t.Fatal(err)
	}
	resp, err := str.ReadResponse()
	if err != nil {
		t.Fatal(err)
	}
	return str, resp
}

// get does an ordinary request on another stream.
func (c *rawClient) get(t *testing.T) {
	t.Helper()
	r, err := http.NewRequestWithContext(waiting(t), http.MethodGet, "https://"+c.addr+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.RoundTrip(r)
	if err != nil {
		t.Fatalf("GET on another stream: %v", err)
	}
	resp.Body.Close()
}

// headersFrame is a HEADERS frame with the fields, names and values in turn.
func headersFrame(fields ...string) []byte {
	var block bytes.Buffer
	enc := qpack.NewEncoder(&block)
	for i := 0; i < len(fields); i += 2 {
		if err := enc.WriteField(qpack.HeaderField{Name: fields[i], Value: fields[i+1]}); err != nil {
			panic(err)
		}
	}
	return h3Frame(0x01, block.Bytes())
}

// h3Frame is a frame of HTTP/3.
func h3Frame(typ uint64, payload []byte) []byte {
	b := quicvarint.Append(nil, typ)
	b = quicvarint.Append(b, uint64(len(payload)))
	return append(b, payload...)
}

// readFrame reads a frame of HTTP/3.
func readFrame(t *testing.T, r io.Reader) (typ uint64, payload []byte) {
	t.Helper()
	in := quicvarint.NewReader(r)
	typ, err := quicvarint.Read(in)
	if err != nil {
		t.Fatalf("type of a frame: %v", err)
	}
	size, err := quicvarint.Read(in)
	if err != nil {
		t.Fatalf("length of a frame: %v", err)
	}
	payload = make([]byte, size)
	if _, err := io.ReadFull(in, payload); err != nil {
		t.Fatalf("payload of a frame: %v", err)
	}
	return typ, payload
}

// fields decodes the payload of a HEADERS frame.
func fields(t *testing.T, block []byte) (names []string, values map[string]string) {
	t.Helper()
	values = map[string]string{}
	next := qpack.NewDecoder().Decode(block)
	for {
		f, err := next()
		if err == io.EOF {
			return names, values
		}
		if err != nil {
			t.Fatalf("header: %v", err)
		}
		names = append(names, f.Name)
		values[f.Name] = f.Value
	}
}

// A rawServer is a QUIC listener whose connections a test plays by hand.
type rawServer struct {
	*quic.Listener
	addr string
}

func rawServe(t *testing.T) *rawServer { return rawServeAt(t, "127.0.0.1:0") }

func rawServeAt(t *testing.T, addr string) *rawServer {
	t.Helper()
	ln, err := quic.ListenAddr(addr, serverTLS(), &quic.Config{MaxIncomingStreams: 3})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return &rawServer{Listener: ln, addr: ln.Addr().String()}
}

// accept returns the next connection.
func (s *rawServer) accept(t *testing.T) *quic.Conn {
	t.Helper()
	c, err := s.Accept(waiting(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseWithError(0x100, "") })
	return c
}

// sendSettings opens the control stream with the settings, identifiers and values in turn.
func sendSettings(t *testing.T, c *quic.Conn, settings ...uint64) *quic.SendStream {
	t.Helper()
	str, err := c.OpenUniStream()
	if err != nil {
		t.Fatal(err)
	}
	var payload []byte
	for _, v := range settings {
		payload = quicvarint.Append(payload, v)
	}
	if _, err := str.Write(append([]byte{0x00}, h3Frame(0x04, payload)...)); err != nil {
		t.Fatal(err)
	}
	return str
}

// request takes the next request stream and its header.
func request(t *testing.T, c *quic.Conn) (*quic.Stream, []string, map[string]string) {
	t.Helper()
	str, err := c.AcceptStream(waiting(t))
	if err != nil {
		t.Fatal(err)
	}
	typ, block := readFrame(t, str)
	if typ != 0x01 {
		t.Fatalf("first frame of type %#x, want HEADERS", typ)
	}
	names, values := fields(t, block)
	return str, names, values
}

// send writes b to a stream.
func send(t *testing.T, w io.Writer, b []byte) {
	t.Helper()
	if _, err := w.Write(b); err != nil {
		t.Fatalf("send: %v", err)
	}
}

// wsFrame is a masked frame of WebSocket, or one without a mask.
func wsFrame(masked bool, op frame.Opcode, payload string) []byte {
	h := frame.Header{Fin: true, Opcode: op, Masked: masked, Length: uint64(len(payload))}
	if masked {
		h.Key = 0x01020304
	}
	return wstest.AppendFrame(nil, h, []byte(payload))
}

// wantReset wants that the peer has reset both directions of a stream.
func wantReset(t *testing.T, str interface {
	io.Reader
	Context() context.Context
}, code quic.StreamErrorCode,
) {
	t.Helper()
	_, err := io.Copy(io.Discard, str)
	wantStreamError(t, "Read", err, code)
	<-str.Context().Done()
	wantStreamError(t, "Context", context.Cause(str.Context()), code)
}

// wantStreamError wants a reset of the peer with the code.
func wantStreamError(t *testing.T, what string, err error, code quic.StreamErrorCode) {
	t.Helper()
	e, ok := errors.AsType[*quic.StreamError](err)
	if !ok || !e.Remote || e.ErrorCode != code {
		t.Errorf("%s: %v, want a reset by the peer with %#x", what, err, code)
	}
}
