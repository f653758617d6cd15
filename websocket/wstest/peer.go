package wstest

import (
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/seed-15847954/ropewalk/websocket"
	"github.com/seed-15847954/ropewalk/websocket/frame"
)

// A Peer speaks raw frames over a stream. It obeys no rule by itself, so that a
// test can send anything and see all that comes back. It is for one goroutine,
// or for one that sends and one that receives.
type Peer struct {
	stream net.Conn
	in     []byte // received and not yet taken
}

// NewPeer returns a Connection of the given role and the Peer at its other end.
func NewPeer(role websocket.Role, params websocket.Params) (*websocket.Conn, *Peer) {
	a, b := Streams()
	return websocket.NewConn(a, role, params), PeerOn(b)
}

// PeerOn returns a Peer that speaks over stream, behind an opening handshake.
func PeerOn(stream net.Conn) *Peer { return &Peer{stream: stream} }

// Send sends bytes as they are.
func (p *Peer) Send(b []byte) error {
	_, err := p.stream.Write(b)
	return err
}

// SendFrame sends one frame. The header's Length is that of payload; a payload of
// a masked frame is masked with the header's Key. Nothing is checked.
func (p *Peer) SendFrame(h frame.Header, payload []byte) error {
	return p.Send(AppendFrame(nil, h, payload))
}

// AppendFrame appends the frame that SendFrame sends.
func AppendFrame(dst []byte, h frame.Header, payload []byte) []byte {
	h.Length = uint64(len(payload))
	dst = frame.AppendHeader(dst, h)
	start := len(dst)
	dst = append(dst, payload...)
	if h.Masked {
		frame.Mask(dst[start:], h.Key)
	}
	return dst
}

// Receive returns the next frame, its payload unmasked. It returns io.EOF when
// the stream ends between two frames, and fails for frames of 16 MiB or more.
func (p *Peer) Receive() (frame.Header, []byte, error) {
	for {
		h, n, err := frame.ParseHeader(p.in)
		if err != nil {
			return h, nil, err
		}
		if h.Length >= 16<<20 {
			return h, nil, fmt.Errorf("wstest: frame of %d bytes", h.Length)
		}
		if n > 0 && uint64(len(p.in)-n) >= h.Length {
			payload := append([]byte(nil), p.in[n:n+int(h.Length)]...)
			p.in = p.in[n+int(h.Length):]
			if h.Masked {
				frame.Mask(payload, h.Key)
			}
			return h, payload, nil
		}
		if err := p.fill(); err != nil {
			if errors.Is(err, io.EOF) && len(p.in) > 0 {
				err = io.ErrUnexpectedEOF
			}
			return frame.Header{}, nil, err
		}
	}
}

func (p *Peer) fill() error {
	buf := make([]byte, 4<<10)
	n, err := p.stream.Read(buf)
	p.in = append(p.in, buf[:n]...)
	if n > 0 {
		return nil
	}
	return err
}

// Stream returns the stream, to close it or to set its deadlines.
func (p *Peer) Stream() net.Conn { return p.stream }
