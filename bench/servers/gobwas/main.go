// Command gobwas is the server under load on gobwas/ws: its zero-copy upgrade on
// connections of its own listener, and its readers and frames.
package main

import (
	"bufio"
	"bytes"
	"net"
	"sync"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"
	"github.com/gobwas/ws/wsutil"

	"github.com/seed-15847954/ropewalk/bench/server"
)

func main() { server.Main(serve) }

func serve(l net.Listener, o server.Options) error {
	if o.Deflate == server.Takeover {
		return server.ErrDeflate
	}
	var group server.Group[*peer]
	return server.Each(l, func(conn net.Conn) {
		defer conn.Close()
		p, err := open(conn, o.Deflate)
		if err != nil {
			return
		}
		if !o.Broadcast {
			p.each(p.write)
			return
		}
		group.Add(p)
		defer group.Remove(p)
		p.each(func(message []byte) error {
			frame, err := ws.CompileFrame(ws.NewBinaryFrame(message))
			group.Each(func(to *peer) { to.send(frame) })
			return err
		})
	})
}

// A peer is a connection with what the library leaves to its caller.
type peer struct {
	conn       net.Conn
	reader     *wsutil.Reader
	control    wsutil.FrameHandlerFunc
	compressed bool
	buf        []byte

	mu    sync.Mutex // guards what follows, and writes
	frame bytes.Buffer
}

// open answers the opening handshake.
func open(conn net.Conn, deflate server.Deflate) (*peer, error) {
	var upgrader ws.Upgrader
	extension := wsflate.Extension{Parameters: wsflate.DefaultParameters}
	if deflate != server.NoDeflate {
		upgrader.Negotiate = extension.Negotiate
	}
	if _, err := upgrader.Upgrade(conn); err != nil {
		return nil, err
	}
	p := &peer{conn: conn, control: wsutil.ControlFrameHandler(conn, ws.StateServerSide)}
	p.reader = wsutil.NewReader(bufio.NewReader(conn), ws.StateServerSide)
	p.reader.OnIntermediate = p.control
	if deflate != server.NoDeflate {
		p.compressed = true
		p.reader.State |= ws.StateExtended
	}
	return p, nil
}

// each reads messages into memory that is used again.
func (p *peer) each(visit func(message []byte) error) {
	for {
		h, err := p.reader.NextFrame()
		if err != nil {
			return
		}
		if h.OpCode.IsControl() {
			if err := p.control(h, p.reader); err != nil {
				return
			}
			continue
		}
		if p.buf, err = p.read(h, p.buf[:0]); err != nil || visit(p.buf) != nil {
			return
		}
	}
}

func (p *peer) read(h ws.Header, b []byte) ([]byte, error) {
	if compressed, err := wsflate.IsCompressed(h); !compressed || err != nil {
		return server.AppendAll(p.reader, b)
	}
	r := readers.Get().(*wsflate.Reader)
	defer readers.Put(r)
	r.Reset(p.reader)
	return server.AppendAll(r, b)
}

// write sends a message to the peer that it came from: header and payload in one
// system call.
func (p *peer) write(message []byte) error {
	h := ws.Header{Fin: true, OpCode: ws.OpBinary, Length: int64(len(message))}
	if p.compressed {
		packed := buffers.Get().(*bytes.Buffer)
		defer buffers.Put(packed)
		var err error
		if h, err = pack(packed, h, message); err != nil {
			return err
		}
		message = packed.Bytes()
	}
	p.frame.Reset()
	if err := ws.WriteHeader(&p.frame, h); err != nil {
		return err
	}
	p.frame.Write(message)
	_, err := p.conn.Write(p.frame.Bytes())
	return err
}

// send sends a whole frame.
func (p *peer) send(frame []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = p.conn.Write(frame) // a broken connection's reader sees it too
}
