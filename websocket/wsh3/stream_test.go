package wsh3

import (
	"errors"
	"io"
	"net"
	"slices"
	"testing"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// scripted is both halves of a stream, and notes what is done to them.
type scripted struct {
	readErr, writeErr error
	calls             []string
	codes             []quic.StreamErrorCode
	writing, unblock  chan struct{} // nil: Write does not block
}

func (s *scripted) Read([]byte) (int, error) { return 0, s.readErr }

func (s *scripted) Write(p []byte) (int, error) {
	if unblock := s.unblock; unblock != nil {
		close(s.writing)
		<-unblock
	}
	if s.writeErr != nil {
		return 0, s.writeErr
	}
	return len(p), nil
}

func (s *scripted) Close() error { s.calls = append(s.calls, "FIN"); return nil }

func (s *scripted) CancelRead(code quic.StreamErrorCode) {
	s.calls, s.codes = append(s.calls, "STOP_SENDING"), append(s.codes, code)
}

func (s *scripted) CancelWrite(code quic.StreamErrorCode) {
	s.calls, s.codes = append(s.calls, "RESET_STREAM"), append(s.codes, code)
	if s.unblock != nil {
		close(s.unblock)
		s.unblock = nil
	}
}

func (s *scripted) stream() *stream {
	return &stream{halves: s, in: s, out: s, released: func() { s.calls = append(s.calls, "released") }}
}

func TestStreamEnds(t *testing.T) {
	read := func(s *stream) { _, _ = s.Read(make([]byte, 1)) }
	write := func(s *stream) { _, _ = s.Write([]byte("a")) }
	fin := func(s *stream) { _ = s.CloseWrite() }
	tests := []struct {
		name   string
		halves scripted
		do     []func(*stream)
		want   []string // STOP_SENDING does nothing where the peer has ended
		code   http3.ErrCode
	}{
		{"nothing has ended", scripted{}, nil, []string{"RESET_STREAM", "STOP_SENDING"}, http3.ErrCodeRequestCanceled},
		{"own side", scripted{}, []func(*stream){fin}, []string{"FIN", "STOP_SENDING"}, http3.ErrCodeRequestCanceled},
		{"peer's side", scripted{readErr: io.EOF}, []func(*stream){read}, []string{"FIN", "STOP_SENDING"}, http3.ErrCodeRequestCanceled},
		{"both", scripted{readErr: io.EOF}, []func(*stream){fin, read, fin}, []string{"FIN", "STOP_SENDING"}, http3.ErrCodeRequestCanceled},
		// RFC 9114, section 7.1: no FIN within a frame.
		{
			"within a frame",
			scripted{readErr: io.EOF, writeErr: errors.New("deadline")},
			[]func(*stream){read, write},
			[]string{"RESET_STREAM", "STOP_SENDING"},
			http3.ErrCodeRequestCanceled,
		},
		{
			"what the peer did wrong",
			scripted{readErr: &http3.Error{ErrorCode: http3.ErrCodeFrameUnexpected}},
			[]func(*stream){read},
			[]string{"RESET_STREAM", "STOP_SENDING"},
			http3.ErrCodeFrameUnexpected,
		},
		{
			"a reset by the peer",
			scripted{readErr: &http3.Error{ErrorCode: http3.ErrCodeInternalError, Remote: true}},
			[]func(*stream){read},
			[]string{"RESET_STREAM", "STOP_SENDING"},
			http3.ErrCodeRequestCanceled,
		},
	}
	for _, test := range tests {
		s := test.halves.stream()
		for _, do := range test.do {
			do(s)
		}
		_, _ = s.Close(), s.Close()
		if got := test.halves.calls; !slices.Equal(got, append(test.want, "released")) {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
		for _, code := range test.halves.codes {
			if code != quic.StreamErrorCode(test.code) {
				t.Errorf("%s: code %#x, want %#x", test.name, code, test.code)
			}
		}
	}
}

// Close ends a Write that waits for the peer, and what comes later fails as on any
// connection that is closed.
func TestStreamCloseDuringWrite(t *testing.T) {
	for _, peerEnded := range []bool{false, true} {
		h := &scripted{readErr: io.EOF, writeErr: errors.New("reset"), writing: make(chan struct{}), unblock: make(chan struct{})}
		s := h.stream()
		if peerEnded {
			_, _ = s.Read(make([]byte, 1))
		}
		wrote := make(chan error)
		go func() {
			_, err := s.Write([]byte("a"))
			wrote <- err
		}()
		<-h.writing
		_ = s.Close()
		if err := <-wrote; err != net.ErrClosed {
			t.Errorf("Write = %v, want net.ErrClosed", err)
		}
		if _, err := s.Write([]byte("a")); err != net.ErrClosed {
			t.Errorf("Write after Close = %v, want net.ErrClosed", err)
		}
		if want := []string{"RESET_STREAM", "STOP_SENDING", "released"}; !slices.Equal(h.calls, want) {
			t.Errorf("Close did %v, want %v", h.calls, want)
		}
	}
}

// A Read that brings nothing is taken up, for io.Reader's users want bytes or an error.
func TestStreamReadOfNothing(t *testing.T) {
	in := &empties{n: 3}
	n, err := (&stream{in: in}).Read(make([]byte, 4))
	if n != 1 || err != nil {
		t.Errorf("Read = %d, %v, want 1 byte", n, err)
	}
}

// empties gives an empty read n times, and then a byte.
type empties struct{ n int }

func (e *empties) Read([]byte) (int, error) {
	if e.n--; e.n >= 0 {
		return 0, nil
	}
	return 1, nil
}
