package wsh2_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15847954/ropewalk/websocket"
	"github.com/seed-15847954/ropewalk/websocket/frame"
	"github.com/seed-15847954/ropewalk/websocket/wsh2"
	"github.com/seed-15847954/ropewalk/websocket/wstest"
	"golang.org/x/net/http2"
)

// A deadliner is a stream with deadlines.
type deadliner interface {
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
}

// RFC 9113, section 5.2: DATA obeys the windows of stream and connection, which
// WINDOW_UPDATE opens and SETTINGS_INITIAL_WINDOW_SIZE moves, below zero too.
//
// Checks 8441-18.
func TestSendWindows(t *testing.T) {
	checkLeaks(t)
	r := newRude(t)
	p, stream := r.tunnel(transport(t, nil), http2.Setting{ID: http2.SettingInitialWindowSize, Val: 10})
	sent := make(chan error, 1)
	go func() {
		_, err := stream.Write(bytes.Repeat([]byte("x"), 100))
		sent <- err
	}()
	want := func(n int) {
		t.Helper()
		if f, ok := p.next().(*http2.DataFrame); !ok || len(f.Data()) != n {
			t.Fatalf("next frame = %v, want %d bytes of DATA", f, n)
		}
	}
	want(10)
	p.must(p.WriteWindowUpdate(1, 5))
	want(5)
	settings(http2.SettingInitialWindowSize, 0)(p) // now it is -10
	p.must(p.WriteWindowUpdate(1, 10))
	p.must(p.WriteWindowUpdate(1, 7))
	want(7)
	settings(http2.SettingInitialWindowSize, 1000)(p)
	want(78)
	if err := <-sent; err != nil {
		t.Error(err)
	}
	// The connection's window: 65535 bytes in all, of which 100 are used.
	p.must(p.WriteWindowUpdate(1, 1<<20))
	go func() {
		_, err := stream.Write(make([]byte, 70000))
		sent <- err
	}()
	p.take(1, 65535-100)
	p.must(p.WriteWindowUpdate(0, 1<<20))
	p.take(1, 70000-65435)
	if err := <-sent; err != nil {
		t.Error(err)
	}
}

// A stream that nobody reads takes up its window and no more, and holds up no other.
//
// Checks 8441-18, 8441-20.
func TestReceiveWindows(t *testing.T) {
	checkLeaks(t)
	r := newRude(t)
	tr := transport(t, nil)
	p, slow := r.tunnel(tr)
	done := connectTo(t.Context(), tr, r.Addr().String())
	p.nextRequest()
	p.head(3, false, ":status: 200")
	fast := (<-done).stream
	piece := make([]byte, 16<<10)
	for range 256 << 10 / len(piece) {
		p.must(p.WriteData(1, false, piece))
	}
	// Much more than the connection's window, on the other stream.
	const much = 16 << 20
	read := make(chan error, 1)
	go func() {
		_, err := io.CopyN(io.Discard, fast, much)
		read <- err
	}()
	window := 256 << 10 // of stream 3
	for left := much; left > 0; {
		if window >= len(piece) {
			p.must(p.WriteData(3, false, piece))
			left, window = left-len(piece), window-len(piece)
			continue
		}
		f, err := p.ReadFrame()
		p.must(err)
		if f, ok := f.(*http2.WindowUpdateFrame); ok {
			switch f.StreamID {
			case 1:
				t.Fatal("the window of the stream that nobody reads was opened")
			case 3:
				window += int(f.Increment)
			}
		}
	}
	if err := <-read; err != nil {
		t.Error(err)
	}
	// Once it is read, its window opens.
	if _, err := io.ReadFull(slow, make([]byte, 200<<10)); err != nil {
		t.Error(err)
	}
	for {
		f, err := p.ReadFrame()
		p.must(err)
		if f, ok := f.(*http2.WindowUpdateFrame); ok && f.StreamID == 1 {
			break
		}
	}
}

// RFC 8441, section 5: the closing handshake ends with END_STREAM in both directions.
//
// Checks 8441-17.
func TestClientEnds(t *testing.T) {
	checkLeaks(t)
	p, stream := newRude(t).tunnel(transport(t, nil))
	c := websocket.NewConn(stream, websocket.Client, websocket.Params{})
	closed := make(chan error, 1)
	go func() { closed <- c.Close(websocket.CloseNormal, "") }()
	p.take(1, 8) // Close, masked
	p.must(p.WriteData(1, false, message(frame.Close, false, "\x03\xe8")))
	p.must(p.WriteData(1, true, nil))
	data, ended, reset := p.rest(1)
	if len(data) > 0 || !ended || reset >= 0 {
		t.Errorf("the end is %x, END_STREAM %v, RST_STREAM %d", data, ended, reset)
	}
	if err := <-closed; err != nil {
		t.Errorf("Close() = %v", err)
	}
}

// RST_STREAM(CANCEL) stands for the reset of a connection, in both directions; what
// came before it can be read.
//
// Checks 8441-17.
func TestClientResets(t *testing.T) {
	checkLeaks(t)
	r := newRude(t)
	tr := transport(t, nil)
	p, stream := r.tunnel(tr)
	c := websocket.NewConn(stream, websocket.Client, websocket.Params{})
	c.CloseNow()
	if data, ended, reset := p.rest(1); len(data) > 0 || ended || reset != int(http2.ErrCodeCancel) {
		t.Errorf("CloseNow sends %x, END_STREAM %v, RST_STREAM %d, want CANCEL", data, ended, reset)
	}
	done := connectTo(t.Context(), tr, r.Addr().String())
	p.nextRequest()
	p.head(3, false, ":status: 200")
	c = websocket.NewConn((<-done).stream, websocket.Client, websocket.Params{})
	p.must(p.WriteData(3, false, message(frame.Text, false, "last")))
	p.must(p.WriteRSTStream(3, http2.ErrCodeCancel))
	if _, text, err := c.Read(t.Context()); string(text) != "last" || err != nil {
		t.Errorf("Read() = %q, %v", text, err)
	}
	_, _, err := c.Read(t.Context())
	var reset *wsh2.ResetError
	if codeOf(err) != websocket.CloseAbnormal || !errors.As(err, &reset) || http2.ErrCode(reset.Code) != http2.ErrCodeCancel {
		t.Errorf("Read() = %v, want 1006 and a *ResetError with CANCEL", err)
	}
}

// END_STREAM without a Close frame is io.EOF to the stream, and 1006 to the
// WebSocket. NO_ERROR behind it takes nothing away.
//
// Checks 8441-17.
func TestServerEndsWithoutClose(t *testing.T) {
	checkLeaks(t)
	p, stream := newRude(t).tunnel(transport(t, nil))
	p.must(p.WriteData(1, true, message(frame.Text, false, "last")))
	p.must(p.WriteRSTStream(1, http2.ErrCodeNo))
	c := websocket.NewConn(stream, websocket.Client, websocket.Params{})
	if _, text, err := c.Read(t.Context()); string(text) != "last" || err != nil {
		t.Errorf("Read() = %q, %v", text, err)
	}
	if _, _, err := c.Read(t.Context()); codeOf(err) != websocket.CloseAbnormal || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("Read() = %v, want 1006 and ErrUnexpectedEOF", err)
	}
}

// Deadlines interrupt a call and do no harm to the stream.
func TestDeadlines(t *testing.T) {
	checkLeaks(t)
	p, stream := newRude(t).tunnel(transport(t, nil), http2.Setting{ID: http2.SettingInitialWindowSize, Val: 4})
	d := stream.(deadliner)
	past := time.Unix(1, 0)
	read := make(chan error, 1)
	for range 2 {
		go func() {
			_, err := stream.Read(make([]byte, 10))
			read <- err
		}()
		d.SetReadDeadline(past)
		if err := <-read; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Read() = %v, want ErrDeadlineExceeded", err)
		}
		d.SetReadDeadline(time.Now().Add(time.Millisecond))
		if _, err := stream.Read(make([]byte, 10)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Read() = %v, want ErrDeadlineExceeded", err)
		}
		d.SetReadDeadline(time.Time{})
	}
	p.must(p.WriteData(1, false, []byte("hello")))
	if _, err := io.ReadFull(stream, make([]byte, 5)); err != nil {
		t.Errorf("Read() behind the deadlines = %v", err)
	}
	write := make(chan int, 1)
	go func() {
		n, err := stream.Write([]byte("0123456789"))
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Write() = %v, want ErrDeadlineExceeded", err)
		}
		write <- n
	}()
	p.take(1, 4)
	d.SetWriteDeadline(past)
	if n := <-write; n != 4 {
		t.Errorf("Write() = %d, want 4", n)
	}
	d.SetWriteDeadline(time.Time{})
	p.must(p.WriteWindowUpdate(1, 100))
	if n, err := stream.Write([]byte("456789")); n != 6 || err != nil {
		t.Errorf("Write() behind the deadline = %d, %v", n, err)
	}
	if got := p.take(1, 6); string(got) != "456789" {
		t.Errorf("the server has %q", got)
	}
}

// Close ends calls under way, a Write without window too.
func TestCloseInterrupts(t *testing.T) {
	checkLeaks(t)
	p, stream := newRude(t).tunnel(transport(t, nil), http2.Setting{ID: http2.SettingInitialWindowSize, Val: 4})
	calls := make(chan error, 2)
	go func() {
		_, err := stream.Read(make([]byte, 10))
		calls <- err
	}()
	go func() {
		_, err := stream.Write([]byte("0123456789"))
		calls <- err
	}()
	p.take(1, 4)
	stream.Close()
	for range 2 {
		if err := <-calls; !errors.Is(err, net.ErrClosed) {
			t.Errorf("a call under way returned %v, want net.ErrClosed", err)
		}
	}
	if _, _, reset := p.rest(1); reset != int(http2.ErrCodeCancel) {
		t.Errorf("RST_STREAM %d, want CANCEL", reset)
	}
	stream.Close()
	if _, err := stream.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Write() after Close = %v", err)
	}
}

// A server that reads nothing from TCP can hold up neither Close nor a deadline.
func TestStuckConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, tr, stream := memoryTunnel(t)
		defer tr.Close()
		p.must(p.WriteWindowUpdate(0, 1<<30))
		p.must(p.WriteWindowUpdate(1, 1<<30))
		write := make(chan error, 1)
		go func() {
			_, err := stream.Write(make([]byte, 10<<20))
			write <- err
		}()
		synctest.Wait()
		stream.(deadliner).SetWriteDeadline(time.Unix(1, 0))
		if err := <-write; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Write() = %v, want ErrDeadlineExceeded", err)
		}
		stream.(deadliner).SetWriteDeadline(time.Time{})
		go func() {
			_, err := stream.Write(make([]byte, 10<<20))
			write <- err
		}()
		synctest.Wait()
		stream.Close()
		if err := <-write; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Write() = %v, want net.ErrClosed", err)
		}
	})
}

// memoryTunnel is a tunnel over a stream in memory, for fake time.
func memoryTunnel(t *testing.T) (*peer, *wsh2.Transport, io.ReadWriteCloser) {
	near, far := wstest.Streams()
	tr := &wsh2.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return near, nil }}
	done := connectTo(t.Context(), tr, "example.com")
	p := newPeer(t, far)
	far.SetDeadline(time.Time{})
	p.readPreface()
	p.request(offer)
	p.head(1, false, ":status: 200")
	return p, tr, (<-done).stream
}

// A server from which nothing comes gets a PING, and has failed if it does not
// answer.
func TestPings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		p, tr, stream := memoryTunnel(t)
		defer tr.Close()
		failed := make(chan error, 1)
		go func() {
			_, err := stream.Read(make([]byte, 1))
			failed <- err
		}()
		for range 3 {
			f, err := p.ReadFrame()
			for err == nil && f.Header().Type != http2.FramePing {
				f, err = p.ReadFrame()
			}
			p.must(err)
			p.must(p.WritePing(true, f.(*http2.PingFrame).Data))
		}
		if took := time.Since(start); took != 90*time.Second {
			t.Errorf("3 PINGs in %v, want one in 30 s", took)
		}
		answered := time.Now()
		if err := <-failed; err == nil || time.Since(answered) != 45*time.Second {
			t.Errorf("Read() = %v after %v, want an error after 45 s", err, time.Since(answered))
		}
	})
}

// A connection without streams is closed after IdleTimeout, with GOAWAY.
func TestIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, tr, stream := memoryTunnel(t)
		defer tr.Close()
		stream.Close()
		start := time.Now()
		for {
			f, err := p.ReadFrame()
			p.must(err)
			if ping, ok := f.(*http2.PingFrame); ok {
				p.WritePing(true, ping.Data) // the third comes too late
			}
			if away, ok := f.(*http2.GoAwayFrame); ok {
				if away.ErrCode != http2.ErrCodeNo || time.Since(start) != 90*time.Second {
					t.Errorf("GOAWAY with %v after %v, want NO_ERROR after 90 s", away.ErrCode, time.Since(start))
				}
				break
			}
		}
	})
}
