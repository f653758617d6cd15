package wsh2_test

import (
	"io"
	"sync"
	"time"

	"github.com/seed-15847954/ropewalk/websocket/wsh2"
	"golang.org/x/net/http2"
)

// A serverStream is the server's end of stream 1 of a connection, as a stream of
// bytes. Unlike one of net/http, it can end its sending direction alone.
type serverStream struct {
	p  *peer
	in *io.PipeReader // what came in DATA

	mu         sync.Mutex // held while a frame is written too
	changed    sync.Cond
	connection int64 // guarded by mu: bytes that the client takes on the connection
	stream     int64 // guarded by mu: ... and on the stream
	err        error // guarded by mu: why nothing more can be sent
}

// newServerStream offers extended CONNECT and answers the first request with a head
// of the lines given. p has read the preface.
func newServerStream(p *peer, head ...string) *serverStream {
	r, w := io.Pipe()
	s := &serverStream{p: p, in: r, connection: 65535, stream: 65535}
	s.changed.L = &s.mu
	p.conn.SetDeadline(time.Time{})
	p.must(p.WriteSettings(offer))
	go func() {
		err := s.receive(w, head)
		w.CloseWithError(err)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.err = err
		s.changed.Broadcast()
	}()
	return s
}

// receive passes on what comes, and returns how it ends.
func (s *serverStream) receive(w *io.PipeWriter, head []string) error {
	for {
		f, err := s.p.ReadFrame()
		if err != nil {
			return err
		}
		switch f := f.(type) {
		case *http2.DataFrame:
			if _, err := w.Write(f.Data()); err != nil {
				return err
			}
			if f.StreamEnded() {
				w.Close()
			}
		case *http2.RSTStreamFrame:
			return &wsh2.ResetError{Code: uint32(f.ErrCode)}
		}
		s.mu.Lock()
		err = s.respond(f, head)
		s.changed.Broadcast()
		s.mu.Unlock()
		if err != nil {
			return err
		}
	}
}

// respond does what a frame asks of the server. The caller holds mu.
func (s *serverStream) respond(f http2.Frame, head []string) error {
	switch f := f.(type) {
	case *http2.SettingsFrame:
		if size, ok := f.Value(http2.SettingInitialWindowSize); ok {
			s.stream += int64(size) - 65535
		}
		if !f.IsAck() {
			return s.p.WriteSettingsAck()
		}
	case *http2.MetaHeadersFrame:
		return s.p.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndHeaders: true, BlockFragment: s.p.fields(head)})
	case *http2.PingFrame:
		if !f.IsAck() {
			return s.p.WritePing(true, f.Data)
		}
	case *http2.WindowUpdateFrame:
		if f.StreamID == 0 {
			s.connection += int64(f.Increment)
		} else {
			s.stream += int64(f.Increment)
		}
	case *http2.DataFrame:
		if n := uint32(len(f.Data())); n > 0 {
			if err := s.p.WriteWindowUpdate(0, n); err != nil {
				return err
			}
			return s.p.WriteWindowUpdate(1, n)
		}
	}
	return nil
}

func (s *serverStream) Read(b []byte) (int, error) { return s.in.Read(b) }

// Write sends b in DATA frames, as the windows allow.
func (s *serverStream) Write(b []byte) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for n < len(b) {
		for s.err == nil && min(s.connection, s.stream) <= 0 {
			s.changed.Wait()
		}
		if s.err != nil {
			return n, s.err
		}
		size := min(int64(len(b)-n), s.connection, s.stream, 16<<10)
		if err := s.p.WriteData(1, false, b[n:n+int(size)]); err != nil {
			return n, err
		}
		n += int(size)
		s.connection -= size
		s.stream -= size
	}
	return n, nil
}

// CloseWrite sends END_STREAM.
func (s *serverStream) CloseWrite() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	return s.p.WriteData(1, true, nil)
}

// Close ends the whole connection.
func (s *serverStream) Close() error {
	s.in.Close()
	return s.p.conn.Close()
}
