package library

import (
	"context"
	"net/http"

	"github.com/coder/websocket"

	"github.com/seed-15847954/ropewalk/bench/memory"
)

// Conn.Read is the documented short form, but makes a new slice for each message;
// Conn.Reader lets the caller reuse one. Compression is off by default.
var coder = Library{
	Name:   "coder/websocket",
	Module: "github.com/coder/websocket",
	API: "`Accept`, `Dial`; reads `Conn.Reader` into a reused slice; writes `Conn.Write`; " +
		"context.Background(), default buffers (4,096 bytes)",
	open: openCoder,
}

type coderConn struct {
	conn *websocket.Conn
	buf  []byte
}

func openCoder(conn *memory.Conn, role Role) (c Conn, err error) {
	var inner *websocket.Conn
	if role == Server {
		w, r := conn.Request()
		inner, err = websocket.Accept(w, r, nil)
	} else {
		inner, _, err = websocket.Dial(context.Background(), memory.URL, &websocket.DialOptions{
			HTTPClient: &http.Client{Transport: answering{conn}},
		})
	}
	return &coderConn{inner, make([]byte, 0, readBuffer)}, err
}

// answering is a transport that accepts every opening handshake and gives the
// connection as the body of the response, as http.Transport does.
type answering struct{ conn *memory.Conn }

func (a answering) RoundTrip(req *http.Request) (*http.Response, error) {
	res := memory.Answer(req)
	res.Body = a.conn
	return res, nil
}

func (c *coderConn) Each(visit func(p []byte) bool) error {
	ctx := context.Background()
	for {
		_, r, err := c.conn.Reader(ctx)
		if err != nil {
			return err
		}
		if c.buf, err = appendAll(r, c.buf[:0]); err != nil {
			return err
		}
		if !visit(c.buf) {
			return nil
		}
	}
}

func (c *coderConn) Write(p []byte) error {
	return c.conn.Write(context.Background(), websocket.MessageBinary, p)
}

func (c *coderConn) Close() { _ = c.conn.CloseNow() }
