package wsh2_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/seed-15847954/ropewalk/websocket/wsh2"
	"golang.org/x/net/http2"
)

// offer is the setting with which a server takes extended CONNECT.
var offer = http2.Setting{ID: http2.SettingEnableConnectProtocol, Val: 1}

// A rude server is a listener whose connections the test serves frame by frame.
type rude struct {
	net.Listener
	t *testing.T
}

func newRude(t *testing.T) *rude {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return &rude{l, t}
}

// accept takes the next connection and reads the client's preface.
func (r *rude) accept() *peer {
	r.t.Helper()
	r.Listener.(*net.TCPListener).SetDeadline(time.Now().Add(patience))
	conn, err := r.Accept()
	if err != nil {
		r.t.Fatal(err)
	}
	p := newPeer(r.t, conn)
	p.readPreface()
	return p
}

func (p *peer) readPreface() {
	p.t.Helper()
	preface := make([]byte, len(http2.ClientPreface))
	if _, err := io.ReadFull(p.conn, preface); err != nil || string(preface) != http2.ClientPreface {
		p.t.Fatalf("preface %q, %v", preface, err)
	}
}

// request sends the SETTINGS given and returns the head of the first request.
func (p *peer) request(settings ...http2.Setting) *http2.MetaHeadersFrame {
	p.t.Helper()
	p.must(p.WriteSettings(settings...))
	return p.nextRequest()
}

// nextRequest returns the head of a request, which must come next.
func (p *peer) nextRequest() *http2.MetaHeadersFrame {
	p.t.Helper()
	f, ok := p.next().(*http2.MetaHeadersFrame)
	if !ok {
		p.t.Fatalf("next frame = %v, want a request", f)
	}
	return f
}

// A result is what Connect returned.
type result struct {
	resp   *http.Response
	stream io.ReadWriteCloser
	err    error
}

// connectTo calls Connect for the host in a goroutine.
func connectTo(ctx context.Context, tr *wsh2.Transport, host string) <-chan result {
	done := make(chan result, 1)
	go func() {
		r := &http.Request{
			Method: http.MethodConnect, Proto: "websocket", Host: "example.com", Header: http.Header{"Sec-Websocket-Version": {"13"}},
			URL: &url.URL{Scheme: "http", Host: host, Path: "/ws", RawQuery: "a=b"},
		}
		resp, stream, err := tr.Connect(ctx, r)
		done <- result{resp, stream, err}
	}()
	return done
}

// tunnel opens a stream of a transport to a rude server, which answers 200.
func (r *rude) tunnel(tr *wsh2.Transport, settings ...http2.Setting) (*peer, io.ReadWriteCloser) {
	r.t.Helper()
	done := connectTo(r.t.Context(), tr, r.Addr().String())
	p := r.accept()
	p.request(append(settings, offer)...)
	p.head(1, false, ":status: 200")
	got := <-done
	if got.err != nil {
		r.t.Fatal(got.err)
	}
	return p, got.stream
}

// goAway reads up to the GOAWAY of the client and returns its code.
func (p *peer) goAway() http2.ErrCode {
	p.t.Helper()
	for {
		f, err := p.ReadFrame()
		if err != nil {
			p.t.Fatalf("read frame: %v, want GOAWAY", err)
		}
		if away, ok := f.(*http2.GoAwayFrame); ok {
			return away.ErrCode
		}
	}
}
