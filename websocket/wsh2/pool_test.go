package wsh2_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15847954/ropewalk/websocket/wsh2"
	"github.com/seed-15847954/ropewalk/websocket/wstest"
	"golang.org/x/net/http2"
)

// RFC 9113, section 5.1.2: where MAX_CONCURRENT_STREAMS leaves no room, another
// connection is opened; with 0 there is no room at all.
//
// Checks 8441-20.
func TestMaxConcurrentStreams(t *testing.T) {
	checkLeaks(t)
	r := newRude(t)
	tr := transport(t, nil)
	one := http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 1}
	p, stream := r.tunnel(tr, one)
	q, _ := r.tunnel(tr, one) // this waits for a connection of its own
	stream.Close()
	p.rest(1)
	done := connectTo(t.Context(), tr, r.Addr().String())
	if f := p.nextRequest(); f.StreamID != 3 {
		t.Errorf("the request is on stream %d, want 3", f.StreamID)
	}
	p.head(3, false, ":status: 200")
	if got := <-done; got.err != nil {
		t.Error(got.err)
	}
	_ = q
	none := newRude(t)
	done = connectTo(t.Context(), tr, none.Addr().String())
	n := none.accept()
	n.must(n.WriteSettings(offer, http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 0}))
	if got := <-done; got.err == nil || !strings.Contains(got.err.Error(), "no streams") {
		t.Errorf("Connect() = %v, want an error", got.err)
	}
}

// RFC 9113, section 6.8: after GOAWAY the streams go on, and new ones go to a new
// connection. The old one is closed with its last stream.
//
// Checks 8441-20.
func TestGoAway(t *testing.T) {
	checkLeaks(t)
	r := newRude(t)
	tr := transport(t, nil)
	p, stream := r.tunnel(tr)
	p.must(p.WriteGoAway(1, http2.ErrCodeNo, []byte("maintenance")))
	p.must(p.WriteData(1, false, []byte("still")))
	if _, err := stream.Read(make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	_, next := r.tunnel(tr)
	defer next.Close()
	if _, err := stream.Write([]byte("here")); err != nil {
		t.Errorf("Write() on the connection that drains = %v", err)
	}
	p.take(1, 4)
	stream.Close()
	p.rest(1)
	if code := p.goAway(); code != http2.ErrCodeNo {
		t.Errorf("GOAWAY with %v, want NO_ERROR", code)
	}
}

// RFC 9113, section 8.7: what the server says it has not processed is sent again.
func TestNotProcessed(t *testing.T) {
	checkLeaks(t)
	r := newRude(t)
	tr := transport(t, nil)
	done := connectTo(t.Context(), tr, r.Addr().String())
	p := r.accept()
	p.request(offer)
	p.must(p.WriteGoAway(0, http2.ErrCodeNo, nil))
	q := r.accept()
	q.request(offer)
	q.must(q.WriteRSTStream(1, http2.ErrCodeRefusedStream))
	q.nextRequest()
	q.head(3, false, ":status: 200")
	if got := <-done; got.err != nil {
		t.Fatal(got.err)
	}
	// But not for ever.
	done = connectTo(t.Context(), tr, r.Addr().String())
	for range 3 {
		f := q.nextRequest()
		q.must(q.WriteRSTStream(f.StreamID, http2.ErrCodeRefusedStream))
	}
	var reset *wsh2.ResetError
	if got := <-done; !errors.As(got.err, &reset) || http2.ErrCode(reset.Code) != http2.ErrCodeRefusedStream {
		t.Errorf("Connect() = %v, want a *ResetError with REFUSED_STREAM", got.err)
	}
	// A request that may have been looked at is not.
	done = connectTo(t.Context(), tr, r.Addr().String())
	f := q.nextRequest()
	q.must(q.WriteRSTStream(f.StreamID, http2.ErrCodeInternal))
	if got := <-done; !errors.As(got.err, &reset) || http2.ErrCode(reset.Code) != http2.ErrCodeInternal {
		t.Errorf("Connect() = %v, want a *ResetError with INTERNAL_ERROR", got.err)
	}
}

// A context ends its own wait alone: others still get the connection. One that nobody
// waits for is given up.
func TestDialingShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := wstest.Streams()
		dials, open := 0, make(chan struct{})
		tr := &wsh2.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			dials++
			select {
			case <-open:
				return near, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}}
		defer tr.Close()
		given := func(n int) (stop func(), results []<-chan result) {
			ctx, cancel := context.WithCancel(t.Context())
			for range n {
				results = append(results, connectTo(ctx, tr, "example.com"))
			}
			synctest.Wait()
			return cancel, results
		}
		stop, alone := given(1)
		stop()
		if got := <-alone[0]; !errors.Is(got.err, context.Canceled) {
			t.Errorf("Connect() = %v, want Canceled", got.err)
		}
		stop, impatient := given(3)
		_, patient := given(1)
		stop()
		for _, r := range impatient {
			if got := <-r; !errors.Is(got.err, context.Canceled) {
				t.Errorf("Connect() = %v, want Canceled", got.err)
			}
		}
		close(open)
		p := newPeer(t, far)
		far.SetDeadline(time.Time{})
		p.readPreface()
		p.request(offer)
		p.head(1, false, ":status: 200")
		if got := <-patient[0]; got.err != nil || dials != 2 {
			t.Errorf("Connect() = %v after %d dials, want a stream after 2", got.err, dials)
		}
	})
}

// When the context ends before the answer, the stream is reset.
func TestConnectCancelled(t *testing.T) {
	checkLeaks(t)
	r := newRude(t)
	tr := transport(t, nil)
	p, _ := r.tunnel(tr)
	ctx, cancel := context.WithCancel(t.Context())
	done := connectTo(ctx, tr, r.Addr().String())
	f := p.nextRequest()
	cancel()
	if got := <-done; !errors.Is(got.err, context.Canceled) {
		t.Errorf("Connect() = %v, want Canceled", got.err)
	}
	if _, _, reset := p.rest(f.StreamID); reset != int(http2.ErrCodeCancel) {
		t.Errorf("RST_STREAM %d, want CANCEL", reset)
	}
}

// Close ends everything, and what comes later.
func TestTransportClose(t *testing.T) {
	checkLeaks(t)
	r := newRude(t)
	tr := &wsh2.Transport{}
	p, stream := r.tunnel(tr)
	silent := newRude(t)
	waiting := connectTo(t.Context(), tr, silent.Addr().String())
	silent.accept()
	tr.Close()
	if code := p.goAway(); code != http2.ErrCodeNo {
		t.Errorf("GOAWAY with %v", code)
	}
	if _, err := stream.Read(make([]byte, 1)); !errors.Is(err, wsh2.ErrClosed) {
		t.Errorf("Read() = %v, want ErrClosed", err)
	}
	if got := <-waiting; !errors.Is(got.err, wsh2.ErrClosed) {
		t.Errorf("Connect() under way = %v, want ErrClosed", got.err)
	}
	if got := <-connectTo(t.Context(), tr, r.Addr().String()); !errors.Is(got.err, wsh2.ErrClosed) {
		t.Errorf("Connect() = %v, want ErrClosed", got.err)
	}
}

// CloseIdleConnections leaves alone what is in use.
func TestCloseIdleConnections(t *testing.T) {
	checkLeaks(t)
	r := newRude(t)
	tr := transport(t, nil)
	p, stream := r.tunnel(tr)
	tr.CloseIdleConnections()
	if _, err := stream.Write([]byte("x")); err != nil {
		t.Errorf("Write() = %v", err)
	}
	p.take(1, 1)
	stream.Close()
	p.rest(1)
	tr.CloseIdleConnections()
	if code := p.goAway(); code != http2.ErrCodeNo {
		t.Errorf("GOAWAY with %v", code)
	}
}
