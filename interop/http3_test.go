//go:build interop

package interop

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/quic-go/quic-go/http3"

	"github.com/seed-15847954/ropewalk/websocket"
	"github.com/seed-15847954/ropewalk/websocket/wsh3"
)

// cancelled is H3_REQUEST_CANCELLED.
const cancelled = uint64(http3.ErrCodeRequestCanceled)

// A client on aioquic sees the setting, opens tunnels, and exchanges messages whose
// frames are cut into DATA frames anywhere.
//
// Checks 9220-1, 9220-3, 9220-5, 9220-7.
func TestHTTP3Server(t *testing.T) {
	cert := newCertificate(t)
	srv := newH3Acceptor(t, cert, &websocket.AcceptOptions{
		Compression:  &websocket.Compression{Threshold: -1},
		Subprotocols: []string{"chat.v2"},
	})
	p := startH3Peer(t)
	defer p.shut()
	if got := p.open(srv.url, cert.file); got != 1 {
		t.Errorf("SETTINGS_ENABLE_CONNECT_PROTOCOL = %d, want 1", got)
	}
	for _, compress := range []*deflate{nil, {}} {
		for _, split := range []int{0, 1, 5, 1000} {
			t.Run(fmt.Sprintf("deflate %v, split %d", compress != nil, split), func(t *testing.T) {
				p := &h3Peer{p.with(t)}
				got := p.dial(srv.url, map[string]any{
					"subprotocols": []string{"chat.v3", "chat.v2"}, "compress": compress, "split": split,
				})
				if got.Status != 200 || got.Subprotocol != "chat.v2" || (got.Extensions != "") != (compress != nil) {
					t.Fatalf("the answer is %v", got)
				}
				for _, name := range []string{"connection", "upgrade", "sec-websocket-accept"} {
					if value, found := got.Headers[name]; found {
						t.Errorf("the answer has %s: %s", name, value)
					}
				}
				checkH3Messages(t, srv.next(t), p, split)
			})
		}
	}
}

// checkH3Messages sends messages both ways. Large ones are not cut into single bytes.
func checkH3Messages(t *testing.T, c *websocket.Conn, p *h3Peer, split int) {
	t.Helper()
	peer := p.with(t)
	for _, m := range messages() {
		if 0 < split && split < 100 && len(m.data) > 1000 {
			continue
		}
		checkToPeer(t, c, peer, m)
		checkFromPeer(t, c, peer, m, m.data)
	}
	whole := message{websocket.Text, []byte("in three parts")}
	checkFromPeer(t, c, peer, whole, []byte("in "), []byte("three "), []byte("parts"))
	stop := readInBackground(c)
	defer stop()
	if got := peer.ping("rope"); got != "rope" {
		t.Errorf("ping(rope) = %q, want the same", got)
	}
	if _, err := c.Ping(t.Context()); err != nil {
		t.Errorf("Ping() = %v, want nil", err)
	}
}

// The closing handshake with a client on aioquic ends with FIN both ways, and all else
// in resets that harm no other stream.
//
// Checks 9220-6.
func TestHTTP3ServerEnds(t *testing.T) {
	cert := newCertificate(t)
	srv := newH3Acceptor(t, cert, nil)
	p := startH3Peer(t)
	defer p.shut()
	p.open(srv.url, cert.file)
	dial := func() *websocket.Conn {
		if got := p.dial(srv.url, nil); got.Status != 200 {
			t.Fatalf("the answer is %v", got)
		}
		return srv.next(t)
	}
	checkH3Ends(t, p, dial)
	if got := p.get(srv.url); got != 405 {
		t.Errorf("GET on the same connection: status %d, want 405", got)
	}
}

// checkH3Ends ends one connection after another in each way there is.
func checkH3Ends(t *testing.T, p *h3Peer, connect func() *websocket.Conn) {
	t.Helper()
	for _, want := range endings {
		c := connect()
		if err := c.Close(want.Code, want.Reason); err != nil {
			t.Errorf("Close(%d, %q) = %v, want nil", want.Code, want.Reason, err)
		}
		if got := p.closed(); got.ending != want || !got.End.Fin || got.End.Reset != 0 {
			t.Errorf("after our Close %d the peer saw %+v, want FIN", want.Code, got)
		}

		c = connect()
		end := make(chan error, 1)
		go func() { end <- readEnd(t, c) }()
		if got := p.close(want.Code, want.Reason); got.Code != want.Code || !got.End.Fin || got.End.Reset != 0 {
			t.Errorf("after its Close %d the peer saw %+v, want FIN", want.Code, got)
		}
		checkEnding(t, <-end, want)
	}

	connect().CloseNow()
	if got := p.closed(); got.End.Fin || got.End.Reset != cancelled {
		t.Errorf("after CloseNow the peer saw %+v, want a reset with %#x", got, cancelled)
	}

	c := connect()
	p.reset()
	err := readEnd(t, c)
	if e, ok := errors.AsType[*websocket.CloseError](err); !ok || e.Code != websocket.CloseAbnormal || !e.Remote {
		t.Errorf("after a reset of the peer, Read = %v, want 1006", err)
	}

	c = connect()
	end := make(chan error, 1)
	go func() { end <- readEnd(t, c) }()
	if got := p.fin(); !got.End.Fin || got.End.Reset != 0 {
		t.Errorf("after its FIN the peer saw %+v, want FIN", got)
	}
	err = <-end
	if e, ok := errors.AsType[*websocket.CloseError](err); !ok || e.Code != websocket.CloseAbnormal || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("after a FIN of the peer, Read = %v, want 1006 for an unexpected end", err)
	}
}

// Refusals are answers that aioquic reads, with the connection left as it is.
//
// Checks 9220-4, 9220-8.
func TestHTTP3Refusals(t *testing.T) {
	cert := newCertificate(t)
	srv := newH3Acceptor(t, cert, nil)
	p := startH3Peer(t)
	defer p.shut()
	p.open(srv.url, cert.file)
	for _, test := range []struct {
		name string
		with map[string]any
		want int
	}{
		{"unknown protocol", map[string]any{"protocol": "foo"}, 501},
		{"origin", map[string]any{"headers": map[string]string{"origin": "https://example.com"}}, 403},
		{"two versions", map[string]any{"headers": map[string]string{"sec-websocket-version": "8"}}, 400},
		{"early data", map[string]any{"headers": map[string]string{"early-data": "1"}}, 425},
	} {
		if got := p.dial(srv.url, test.with); got.Status != test.want {
			t.Errorf("%s: status %d, want %d", test.name, got.Status, test.want)
		}
		<-srv.errs
	}
	if got := p.dial(srv.url, nil); got.Status != 200 {
		t.Errorf("after refusals: status %d, want 200", got.Status)
	}
	srv.next(t)
}

// The library's client with a server on aioquic.
//
// Checks 9220-2, 9220-3, 9220-5, 9220-6, 9220-7.
func TestHTTP3Client(t *testing.T) {
	cert := newCertificate(t)
	for _, compress := range []*deflate{nil, {}} {
		for _, split := range []int{0, 1, 1000} {
			t.Run(fmt.Sprintf("deflate %v, split %d", compress != nil, split), func(t *testing.T) {
				p := startH3Peer(t)
				url := p.listen(cert, compress, split)
				tr := newH3Transport(t, cert)
				c, resp, err := websocket.Dial(t.Context(), url+"chat?room=1", &websocket.DialOptions{
					Connector:    tr,
					Subprotocols: []string{"chat.v3", "chat.v2"},
					Compression:  &websocket.Compression{Threshold: -1},
				})
				if err != nil {
					t.Fatal(err)
				}
				defer c.CloseNow()
				if got := resp.Header.Get("Sec-WebSocket-Extensions"); (got != "") != (compress != nil) || c.Subprotocol() != "chat.v2" {
					t.Errorf("agreed on %q and %q", got, c.Subprotocol())
				}
				checkH3Request(t, p.accept(), url)
				checkH3Messages(t, c, p, split)
			})
		}
	}
	p := startH3Peer(t)
	url := p.listen(cert, nil, 0)
	tr := newH3Transport(t, cert)
	checkH3Ends(t, p, func() *websocket.Conn {
		c, _, err := websocket.Dial(t.Context(), url, &websocket.DialOptions{Connector: tr})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.CloseNow() })
		p.accept()
		return c
	})
}

func newH3Transport(t *testing.T, cert *certificate) *wsh3.Transport {
	tr := &wsh3.Transport{TLSConfig: cert.clientConfig()}
	t.Cleanup(func() {
		if err := tr.Close(); err != nil {
			t.Errorf("Transport.Close: %v", err)
		}
	})
	return tr
}

// checkH3Request compares what the server got with RFC 8441, section 5.
func checkH3Request(t *testing.T, got map[string]string, url string) {
	t.Helper()
	authority := strings.TrimSuffix(strings.TrimPrefix(url, "wss://"), "/")
	for name, want := range map[string]string{
		":method": "CONNECT", ":protocol": "websocket", ":scheme": "https", ":authority": authority,
		":path": "/chat?room=1", "sec-websocket-version": "13", "sec-websocket-protocol": "chat.v3, chat.v2",
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
	for _, name := range []string{"connection", "upgrade", "sec-websocket-key", "host"} {
		if value, found := got[name]; found {
			t.Errorf("the request has %s: %s", name, value)
		}
	}
}
