package wstest_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15847954/ropewalk/websocket/wstest"
)

// TestStreamHolds64KiB fills a direction, and empties it again.
func TestStreamHolds64KiB(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.Streams()
		p := bytes.Repeat([]byte("strand"), 20_000)
		if n, err := a.Write(p[:64<<10]); n != 64<<10 || err != nil {
			t.Fatalf("Write(64 KiB) = %d, %v, want all of it", n, err)
		}
		wrote := make(chan error, 1)
		go func() {
			_, err := a.Write(p[64<<10:])
			wrote <- err
		}()
		synctest.Wait()
		select {
		case err := <-wrote:
			t.Fatalf("Write() to a full stream = %v, want it to wait", err)
		default:
		}
		got := make([]byte, len(p))
		if _, err := io.ReadFull(b, got); err != nil || !bytes.Equal(got, p) {
			t.Errorf("ReadFull() = %v, want nil and what was written", err)
		}
		if err := <-wrote; err != nil {
			t.Errorf("Write() = %v, want nil", err)
		}
	})
}

// TestStreamDeadlines checks deadlines of both directions: in the past, to come,
// moved during a call, and taken away.
func TestStreamDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.Streams()
		full := make([]byte, 64<<10)
		a.Write(full)
		calls := map[string]struct {
			set  func(time.Time) error
			call func() (int, error)
		}{
			"read":  {a.SetReadDeadline, func() (int, error) { return a.Read(make([]byte, 1)) }},
			"write": {a.SetWriteDeadline, func() (int, error) { return a.Write([]byte{1}) }},
			"both":  {a.SetDeadline, func() (int, error) { return a.Read(make([]byte, 1)) }},
		}
		for name, tc := range calls {
			timesOut := func(what string, want time.Duration) {
				t.Helper()
				start := time.Now()
				n, err := tc.call()
				if n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != want {
					t.Errorf("%s, %s: %d, %v after %v, want os.ErrDeadlineExceeded after %v", name, what, n, err, time.Since(start), want)
				}
			}
			tc.set(time.Now().Add(-time.Second))
			timesOut("past", 0)
			tc.set(time.Now().Add(time.Second))
			timesOut("to come", time.Second)
			tc.set(time.Now().Add(time.Second))
			time.AfterFunc(time.Second/2, func() { tc.set(time.Now().Add(time.Second)) })
			timesOut("moved", 1500*time.Millisecond)
			tc.set(time.Time{})
			time.AfterFunc(time.Second, func() { tc.set(time.Now()) })
			timesOut("set during the call", time.Second)
			tc.set(time.Time{})
		}
		// A write that times out tells how much was taken.
		io.CopyN(io.Discard, b, 10)
		a.SetWriteDeadline(time.Now().Add(time.Second))
		if n, err := a.Write(make([]byte, 100)); n != 10 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Write(100 bytes) with room for 10 = %d, %v, want 10, os.ErrDeadlineExceeded", n, err)
		}
	})
}

// TestStreamEnds checks what each side sees when a direction, or both, end.
func TestStreamEnds(t *testing.T) {
	p := make([]byte, 10)
	a, b := wstest.Streams()
	a.Write([]byte("last"))
	a.CloseWrite()
	if _, err := a.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Write() behind CloseWrite = %v, want net.ErrClosed", err)
	}
	if n, err := b.Read(p); string(p[:n]) != "last" || err != nil {
		t.Errorf("Read() = %q, %v, want last", p[:n], err)
	}
	if n, err := b.Read(p); n != 0 || err != io.EOF {
		t.Errorf("Read() behind the end = %d, %v, want 0, EOF", n, err)
	}
	b.Write([]byte("way back"))
	if n, err := a.Read(p); string(p[:n]) != "way back" || err != nil {
		t.Errorf("Read() of the other direction = %q, %v, want way back", p[:n], err)
	}
	b.Write([]byte("lost"))
	a.Close()
	if _, err := a.Read(p); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Read() behind Close = %v, want net.ErrClosed", err)
	}
	if _, err := b.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("Write() to an end that is closed = %v, want io.ErrClosedPipe", err)
	}
	if a.LocalAddr() == nil || a.RemoteAddr().String() == "" || a.LocalAddr().Network() == "" {
		t.Error("LocalAddr(), RemoteAddr() are empty, want addresses")
	}
}

// TestStreamCloseEndsCalls closes while both sides wait.
func TestStreamCloseEndsCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.Streams()
		errs := make(chan error)
		for _, s := range []*wstest.Stream{a, b} {
			go func() {
				_, err := s.Read(make([]byte, 1))
				errs <- err
			}()
			go func() {
				_, err := s.Write(make([]byte, 100<<10))
				errs <- err
			}()
		}
		synctest.Wait()
		// What either side has written can be read before it finds the end.
		a.Close()
		b.Close()
		for range 4 {
			select {
			case <-errs:
			case <-time.After(time.Second):
				t.Fatal("a call goes on behind Close")
			}
		}
	})
}
