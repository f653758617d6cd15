package library

import (
	"bufio"
	"bytes"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"github.com/seed-15847954/ropewalk/bench/memory"
)

// The library leaves buffers to its caller. wsutil.Reader is the part of it that
// checks headers and joins fragments; its source is buffered with 4,096 bytes,
// which is what net/http hands over. Writing is done with the functions below
// wsutil, for wsutil.Writer allocates twice a message. The frame is put together
// in one buffer and sent in one call, which on a socket is one system call.
var gobwas = Library{
	Name:   "gobwas/ws",
	Module: "github.com/gobwas/ws",
	API: "no handshake; reads `wsutil.Reader` over a bufio.Reader of 4,096 bytes into a reused slice, " +
		"control frames to `wsutil.ControlFrameHandler`; writes `ws.WriteHeaderBuffer` and `ws.Cipher` in a reused buffer",
	open: openGobwas,
}

type gobwasConn struct {
	conn    *memory.Conn
	state   ws.State
	reader  *wsutil.Reader
	control wsutil.FrameHandlerFunc
	buf     []byte

	header [ws.MaxHeaderSize]byte
	frame  bytes.Buffer
}

func openGobwas(conn *memory.Conn, role Role) (Conn, error) {
	state := ws.StateServerSide
	if role == Client {
		state = ws.StateClientSide
	}
	c := &gobwasConn{
		conn:    conn,
		state:   state,
		reader:  wsutil.NewReader(bufio.NewReaderSize(conn, 4096), state),
		control: wsutil.ControlFrameHandler(conn, state),
		buf:     make([]byte, 0, readBuffer),
	}
	c.reader.OnIntermediate = c.control
	return c, nil
}

func (c *gobwasConn) Each(visit func(p []byte) bool) error {
	for {
		h, err := c.reader.NextFrame()
		if err != nil {
			return err
		}
		if h.OpCode.IsControl() {
			if err := c.control(h, c.reader); err != nil {
				return err
			}
			continue
		}
		if c.buf, err = appendAll(c.reader, c.buf[:0]); err != nil {
			return err
		}
		if !visit(c.buf) {
			return nil
		}
	}
}

func (c *gobwasConn) Write(p []byte) error {
	h := ws.Header{Fin: true, OpCode: ws.OpBinary, Length: int64(len(p))}
	if c.state.ClientSide() {
		h.Masked, h.Mask = true, ws.NewMask()
	}
	c.frame.Reset()
	if err := ws.WriteHeaderBuffer(&c.frame, h, c.header[:]); err != nil {
		return err
	}
	start := c.frame.Len()
	c.frame.Write(p)
	if h.Masked {
		ws.Cipher(c.frame.Bytes()[start:], h.Mask, 0)
	}
	_, err := c.conn.Write(c.frame.Bytes())
	return err
}

func (c *gobwasConn) Close() { _ = c.conn.Close() }
