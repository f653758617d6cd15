package websocket

import (
	"bytes"
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
	over    <-chan struct{} // closed some time after the stream has ended
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
func (s *connectStream) Write(p []byte) (int, error) {
	s.mu.Lock()
	if s.finished || isClosed(s.closed) || isClosed(s.over) {
		s.mu.Unlock()
		return 0, net.ErrClosed
	}
	send := &connectSend{done: make(chan struct{})}
	s.inFlight = send
	s.mu.Unlock()
	go s.send(send, bytes.Clone(p)) // it may still be at it when Write has returned
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

func (s *connectStream) send(send *connectSend, p []byte) {
	send.n, send.err = s.w.Write(p)
	if send.err == nil {
		send.err = s.control.Flush()
	}
	s.mu.Lock()
	s.inFlight = nil
	s.mu.Unlock()
	close(send.done)
}

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
// takes nothing at all from its connection. Then nothing but the end of
// that helps, and the handler's return waits for it as well.
const sendGrace = 100 * time.Millisecond

// Close ends the stream: in good order after CloseWrite or when the peer has ended
// it, and else with a reset. The ResponseWriter is not used any more then.
func (s *connectStream) Close() error {
	s.closing.Do(func() {
		s.mu.Lock()
		close(s.closed)
		send, reading := s.inFlight, s.reading
		ended := s.finished || s.readErr != nil
		s.mu.Unlock()
		if (!ended || send != nil) && !isClosed(s.over) {
			// The one way to send RST_STREAM: the deadline of the answer's body.
			_ = s.control.SetWriteDeadline(past)
		}
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
