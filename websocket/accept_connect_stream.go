package websocket

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// A connectStream is the tunnel of an extended CONNECT at a server of net/http: the
// request's body one way and the answer's the other. It ends with the handler of
// the request: END_STREAM goes out when that returns, unless Close has reset the
// stream before.
//
// It has no deadlines. Those of net/http are for ever: a body whose deadline has
// passed stays failed.
type connectStream struct {
	// Constant after newConnectStream.
	body    io.ReadCloser
	w       http.ResponseWriter
	control *http.ResponseController
	over    <-chan struct{} // closed when the handler has returned, or the stream has ended
	local   net.Addr        // nil if unknown
	remote  net.Addr        // nil if unknown

	mu       sync.Mutex
	reading  bool
	readErr  error        // guarded by mu: the peer's side has ended so
	inFlight *connectSend // guarded by mu: the Write under way
	finished bool         // guarded by mu: all is sent, and nothing more is wanted of the peer

	closing sync.Once
	closed  chan struct{}
}

// A connectSend is one Write.
type connectSend struct {
	done chan struct{} // closed when the ResponseWriter is not in use any more
	n    int
	err  error
}

func newConnectStream(w http.ResponseWriter, r *http.Request) *connectStream {
	s := &connectStream{
		body:    r.Body,
		w:       w,
		control: http.NewResponseController(w),
		over:    r.Context().Done(),
		closed:  make(chan struct{}),
	}
	s.local, _ = r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if addr, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		s.remote = net.TCPAddrFromAddrPort(addr)
	}
	return s
}

func (s *connectStream) LocalAddr() net.Addr  { return s.local }
func (s *connectStream) RemoteAddr() net.Addr { return s.remote }

// Read reads from the request's body. It is called by one goroutine at a time.
func (s *connectStream) Read(p []byte) (int, error) {
	s.mu.Lock()
	switch {
	case s.finished:
		s.mu.Unlock()
		return 0, io.EOF
	case isClosed(s.closed):
		s.mu.Unlock()
		return 0, net.ErrClosed
	}
	s.reading = true
	s.mu.Unlock()
	n, err := s.body.Read(p)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reading = false
	if err != nil {
		s.readErr = err
		if isClosed(s.closed) {
			err = net.ErrClosed
		}
	}
	return n, err
}

// Write sends p. When the stream is closed it returns at once, although the
// HTTP server may be stuck with a client that takes nothing from its connection.
func (s *connectStream) Write(p []byte) (n int, err error) {
	for more := true; more && err == nil; more = len(p) > 0 {
		piece := p[:min(len(p), maxSmallBuffer)]
		p = p[len(piece):]
		var sent int
		sent, err = s.writePiece(piece)
		n += sent
	}
	return n, err
}

func (s *connectStream) writePiece(p []byte) (int, error) {
	s.mu.Lock()
	if s.finished || isClosed(s.closed) || isClosed(s.over) {
		s.mu.Unlock()
		return 0, net.ErrClosed
	}
	send := &connectSend{done: make(chan struct{})}
	s.inFlight = send
	s.mu.Unlock()
	// It may still be at it when Write has returned, and p is the caller's.
	buf := getBuffer()
	buf.b = append(buf.b, p...)
	go s.send(send, buf)
	select {
	case <-send.done:
	case <-s.closed:
		select {
		case <-send.done:
		default:
			return 0, net.ErrClosed
		}
	}
	return send.n, send.err
}

func (s *connectStream) send(send *connectSend, buf *buffer) {
	send.err = guarded(func() (err error) {
		if send.n, err = s.w.Write(buf.b); err != nil {
			return err
		}
		return s.control.Flush()
	})
	buf.putBack(buf.b)
	s.mu.Lock()
	s.inFlight = nil
	s.mu.Unlock()
	close(send.done)
}

// guarded calls the ResponseWriter, which panics when its handler has returned.
func guarded(call func() error) (err error) {
	defer func() {
		if recover() != nil {
			err = errHandlerReturned
		}
	}()
	return call()
}

var errHandlerReturned = errors.New("the handler of the request has returned before the end of the connection")

// CloseWrite says that the stream ends in good order when the handler returns,
// whatever the peer still sends. net/http cannot end one direction alone, and does
// not before that; so to read on until the peer ends its side would be to wait
// in vain.
func (s *connectStream) CloseWrite() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.finished = true
	return nil
}

// sendGrace is how long Close waits for a Write under way to let go of the
// ResponseWriter. The reset of the stream ends it in no time, unless the client
// takes nothing at all from its connection. Then nothing but the end of that helps,
// which awaitRelease waits for.
const sendGrace = 100 * time.Millisecond

// Close ends the stream: in good order after CloseWrite or when the peer has ended
// it, and else with a reset.
func (s *connectStream) Close() error {
	s.closing.Do(func() {
		s.mu.Lock()
		send, reading := s.inFlight, s.reading
		if ended := s.finished || s.readErr != nil; !ended || send != nil {
			s.reset()
		}
		// Now the calls under way return, and with them perhaps the handler.
		close(s.closed)
		s.mu.Unlock()
		if reading {
			_ = s.body.Close() // ends the Read
		}
		if send != nil {
			timer := time.NewTimer(sendGrace)
			defer timer.Stop()
			select {
			case <-send.done:
			case <-timer.C:
			}
		}
	})
	return nil
}

// reset sends RST_STREAM, if the handler has not returned. A deadline of the answer
// in the past is the one way to do so.
func (s *connectStream) reset() {
	if !isClosed(s.over) {
		_ = guarded(func() error { return s.control.SetWriteDeadline(past) })
	}
}

// awaitRelease waits until the ResponseWriter is not in use any more. The stream has
// been closed.
func (s *connectStream) awaitRelease() {
	s.mu.Lock()
	send := s.inFlight
	s.mu.Unlock()
	if send != nil {
		<-send.done
	}
}
