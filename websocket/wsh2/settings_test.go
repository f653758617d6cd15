package wsh2_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/seed-15847954/ropewalk/websocket"
	"github.com/seed-15847954/ropewalk/websocket/wsh2"
	"github.com/seed-15847954/ropewalk/websocket/wstest"
	"golang.org/x/net/http2"
)

// RFC 8441, section 3: extended CONNECT is used once the server has sent the setting
// with 1, and not before.
//
// Checks 8441-3.
func TestSettingsAwaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := wstest.Streams()
		tr := &wsh2.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return near, nil }}
		defer tr.Close()
		done := connectTo(t.Context(), tr, "example.com")
		p := newPeer(t, far)
		p.readPreface()
		frames := make(chan http2.FrameType, 10)
		go func() {
			for {
				f, err := p.ReadFrame()
				if err != nil {
					close(frames)
					return
				}
				frames <- f.Header().Type
			}
		}()
		synctest.Wait()
		if got := drain(frames); got != "SETTINGS WINDOW_UPDATE" {
			t.Errorf("before the server's SETTINGS the client sent %s", got)
		}
		p.WriteSettings(offer)
		synctest.Wait()
		if got := drain(frames); got != "SETTINGS HEADERS" {
			t.Errorf("after the server's SETTINGS the client sent %s", got)
		}
		p.head(1, false, ":status: 200")
		if got := <-done; got.err != nil {
			t.Error(got.err)
		}
	})
}

// drain returns the names of what is in ch.
func drain(ch <-chan http2.FrameType) string {
	var names []string
	for {
		select {
		case kind := <-ch:
			names = append(names, kind.String())
		default:
			return strings.Join(names, " ")
		}
	}
}

// RFC 8441, section 3: the setting is 0 or 1, anything else is a connection error,
// and so is 0 once it was 1. Without it, or with 0, there is no extended CONNECT.
//
// Checks 8441-1, 8441-2, 8441-3.
func TestSettingValues(t *testing.T) {
	checkLeaks(t)
	for _, test := range []struct {
		values []uint32 // one SETTINGS each
		want   string   // the client's GOAWAY, or what Connect returns
	}{
		{[]uint32{2}, "PROTOCOL_ERROR"},
		{[]uint32{1, 2}, "PROTOCOL_ERROR"},
		{[]uint32{1, 0}, "PROTOCOL_ERROR"},
		{[]uint32{0, 1, 0}, "PROTOCOL_ERROR"},
		{[]uint32{1, 1}, "connected"},
		{[]uint32{0}, "not offered"},
		{nil, "not offered"},
	} {
		t.Run(fmt.Sprint(test.values), func(t *testing.T) {
			r := newRude(t)
			tr := transport(t, nil)
			done := connectTo(t.Context(), tr, r.Addr().String())
			p := r.accept()
			for _, value := range test.values {
				p.must(p.WriteSettings(http2.Setting{ID: http2.SettingEnableConnectProtocol, Val: value}))
			}
			if test.values == nil {
				p.must(p.WriteSettings())
			}
			switch test.want {
			case "connected":
				p.nextRequest()
				p.head(1, false, ":status: 200")
				if got := <-done; got.err != nil {
					t.Error(got.err)
				}
			case "not offered":
				if got := <-done; !errors.Is(got.err, websocket.ErrNoExtendedConnect) {
					t.Errorf("Connect() = %v, want ErrNoExtendedConnect", got.err)
				}
			default:
				if code := p.goAway(); code.String() != test.want {
					t.Errorf("GOAWAY with %v, want %s", code, test.want)
				}
				if got := <-done; got.err == nil {
					t.Error("Connect() = nil, want an error")
				}
			}
		})
	}
}

// A server that does not offer extended CONNECT is asked on the same connection
// again, which costs nothing.
func TestSettingRemembered(t *testing.T) {
	checkLeaks(t)
	r := newRude(t)
	tr := transport(t, nil)
	done := connectTo(t.Context(), tr, r.Addr().String())
	p := r.accept()
	p.must(p.WriteSettings())
	for range 3 {
		if got := <-done; !errors.Is(got.err, websocket.ErrNoExtendedConnect) {
			t.Fatalf("Connect() = %v, want ErrNoExtendedConnect", got.err)
		}
		done = connectTo(t.Context(), tr, r.Addr().String())
	}
	<-done
	p.must(p.WriteSettings(offer)) // it may change its mind
	p.must(p.WritePing(false, [8]byte{1}))
	for {
		f, err := p.ReadFrame()
		p.must(err)
		if f.Header().Type == http2.FramePing {
			break
		}
	}
	done = connectTo(t.Context(), tr, r.Addr().String())
	p.nextRequest()
	p.head(1, false, ":status: 200")
	if got := <-done; got.err != nil {
		t.Error(got.err)
	}
}

// RFC 8441, section 4 and 5: what the request looks like on the wire.
//
// Checks 8441-5, 8441-6, 8441-7, 8441-10, 8441-11, 8441-12, 8441-13.
func TestRequestOnTheWire(t *testing.T) {
	r := newRude(t)
	tr := transport(t, nil)
	done := make(chan error, 1)
	go func() {
		c, _, err := websocket.Dial(t.Context(), "ws://"+r.Addr().String()+"/a%20b?c=d", &websocket.DialOptions{Connector: tr})
		if err == nil {
			err = c.CloseNow()
		}
		done <- err
	}()
	p := r.accept()
	f := p.request(offer)
	if f.StreamID != 1 || f.StreamEnded() {
		t.Errorf("the request is on stream %d, END_STREAM %v", f.StreamID, f.StreamEnded())
	}
	got := map[string]string{}
	for _, field := range f.Fields {
		if _, twice := got[field.Name]; twice {
			t.Errorf("%s twice", field.Name)
		}
		got[field.Name] = field.Value
	}
	want := map[string]string{
		":method": "CONNECT", ":protocol": "websocket", ":scheme": "http", ":path": "/a%20b?c=d",
		":authority": r.Addr().String(), "sec-websocket-version": "13",
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the request is %v, want %v", got, want)
	}
	p.head(1, false, ":status: 200")
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// RFC 9113, sections 6.5.3 and 6.7: SETTINGS are acknowledged and PINGs answered,
// and PUSH_PROMISE is switched off.
func TestHousekeeping(t *testing.T) {
	r := newRude(t)
	done := connectTo(t.Context(), transport(t, nil), r.Addr().String())
	p := r.accept()
	p.must(p.WriteSettings(offer))
	p.must(p.WritePing(false, [8]byte{1, 2, 3}))
	var push, acked, ponged bool
	for !acked || !ponged {
		f, err := p.ReadFrame()
		p.must(err)
		switch f := f.(type) {
		case *http2.SettingsFrame:
			if f.IsAck() {
				acked = true
				continue
			}
			value, ok := f.Value(http2.SettingEnablePush)
			push = !ok || value != 0
			if _, ok := f.Value(http2.SettingEnableConnectProtocol); ok {
				t.Error("the client sends SETTINGS_ENABLE_CONNECT_PROTOCOL")
			}
		case *http2.PingFrame:
			ponged = f.IsAck() && f.Data == [8]byte{1, 2, 3}
		}
	}
	if push {
		t.Error("SETTINGS_ENABLE_PUSH is not 0")
	}
	p.head(1, false, ":status: 200")
	if got := <-done; got.err != nil {
		t.Error(got.err)
	}
}
