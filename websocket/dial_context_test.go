package websocket_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15847954/ropewalk/websocket"
	"github.com/seed-15847954/ropewalk/websocket/wstest"
)

// phases are the points at which a handshake can hang: the URL, the proxy, and what
// the other end says before it falls silent.
var phases = map[string]struct {
	url, proxy string
	says       []string
}{
	"no answer":              {"ws://h.test/", "", []string{""}},
	"half an answer":         {"ws://h.test/", "", []string{"HTTP/1.1 101 Switching Protocols\r\nUpgra"}},
	"interim answer":         {"ws://h.test/", "", []string{"HTTP/1.1 103 Early Hints\r\n\r\n"}},
	"redirect":               {"ws://h.test/", "", []string{"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"}},
	"request not read":       {"ws://h.test/", "", nil},
	"TLS":                    {"wss://h.test/", "", []string{""}},
	"CONNECT":                {"ws://h.test/", "http://p.test", []string{""}},
	"CONNECT, then TLS":      {"wss://h.test/", "http://p.test", []string{established, ""}},
	"CONNECT, then answer":   {"ws://h.test/", "http://p.test", []string{established, ""}},
	"TLS to the proxy":       {"ws://h.test/", "https://p.test", []string{""}},
	"SOCKS greeting":         {"ws://h.test/", "socks5://p.test", []string{""}},
	"SOCKS reply":            {"ws://h.test/", "socks5://p.test", []string{"\x05\x00", ""}},
	"SOCKS reply's end":      {"ws://h.test/", "socks5://p.test", []string{"\x05\x00", "\x05\x00\x00\x03\x09"}},
	"SOCKS password":         {"ws://h.test/", "socks5://x:y@p.test", []string{"\x05\x02", ""}},
	"SOCKS, then the answer": {"ws://h.test/", "socks5://p.test", []string{"\x05\x00", "\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"}},
}

// A silentPeer is at the other end of every stream that is dialed. Its first
// stream says what it has to say, one thing for each thing it hears.
type silentPeer struct {
	says    []string
	streams []net.Conn
}

func (p *silentPeer) dial(context.Context, string, string) (net.Conn, error) {
	a, b := wstest.Streams()
	if p.says == nil {
		a.Write(make([]byte, 64<<10)) // no room for a request
	}
	if len(p.streams) == 0 {
		go func() {
			for _, s := range p.says {
				b.Read(make([]byte, 32<<10))
				io.WriteString(b, s)
			}
		}()
	}
	p.streams = append(p.streams, b)
	return a, nil
}

// A context that is cancelled, one with a deadline and HandshakeTimeout each end
// Dial in every phase, and every stream is closed then. The bubble checks that no
// goroutine is left.
//
// Security 26.
func TestDialEndsWithContext(t *testing.T) {
	for name, phase := range phases {
		for what, test := range map[string]struct {
			limit func(ctx context.Context, opts *websocket.DialOptions) context.Context
			want  error
		}{
			"cancel": {func(ctx context.Context, _ *websocket.DialOptions) context.Context {
				ctx, cancel := context.WithCancel(ctx)
				time.AfterFunc(3*time.Second, cancel)
				return ctx
			}, context.Canceled},
			"deadline": {func(ctx context.Context, opts *websocket.DialOptions) context.Context {
				opts.HandshakeTimeout = -1
				ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
				t.Cleanup(cancel)
				return ctx
			}, context.DeadlineExceeded},
			"timeout": {func(ctx context.Context, opts *websocket.DialOptions) context.Context {
				opts.HandshakeTimeout = 3 * time.Second
				return ctx
			}, context.DeadlineExceeded},
		} {
			synctest.Test(t, func(t *testing.T) {
				peer := &silentPeer{says: phase.says}
				opts := &websocket.DialOptions{NetDialContext: peer.dial, Proxy: websocket.NoProxy}
				if phase.proxy != "" {
					opts.Proxy = func(*url.URL) (*url.URL, error) { return url.Parse(phase.proxy) }
				}
				ctx := test.limit(t.Context(), opts)
				start := time.Now()
				c, _, err := websocket.Dial(ctx, phase.url, opts)
				if took := time.Since(start); c != nil || !errors.Is(err, test.want) || took != 3*time.Second {
					t.Errorf("%s, %s: Dial() = %v, %v after %v, want %v after 3s", name, what, c, err, took, test.want)
				}
				for _, s := range peer.streams {
					if _, err := io.Copy(io.Discard, s); err != nil {
						t.Errorf("%s, %s: the stream ends with %v, want it closed", name, what, err)
					}
				}
			})
		}
	}
}

// The context reaches the function that connects, which looks up names too.
func TestDialContextReachesNetDial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		_, _, err := websocket.Dial(t.Context(), "ws://h.test/", &websocket.DialOptions{
			Proxy: websocket.NoProxy,
			NetDialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				if network != "tcp" || address != "h.test:80" {
					t.Errorf("NetDialContext(%q, %q), want tcp, h.test:80", network, address)
				}
				<-ctx.Done()
				return nil, errors.New("some other error")
			},
		})
		if took := time.Since(start); !errors.Is(err, context.DeadlineExceeded) || took != 30*time.Second {
			t.Errorf("Dial() = %v after %v, want context.DeadlineExceeded after 30s", err, took)
		}
	})
}

// A refusal whose body never ends holds Dial no longer than a second.
//
// Security 26.
func TestDialRefusalBodyNeverEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		peer := &silentPeer{says: []string{"HTTP/1.1 503 Busy\r\n\r\nstart"}}
		start := time.Now()
		_, resp, err := websocket.Dial(t.Context(), "ws://h.test/", &websocket.DialOptions{
			NetDialContext: peer.dial, Proxy: websocket.NoProxy,
		})
		var e *websocket.HandshakeError
		if took := time.Since(start); !errors.As(err, &e) || e.Status != 503 || took != time.Second {
			t.Fatalf("Dial() = %v after %v, want status 503 after 1s", err, took)
		}
		if body, err := io.ReadAll(resp.Body); string(body) != "start" || err != nil {
			t.Errorf("body = %q, %v, want start", body, err)
		}
	})
}

// A handshake that fails leaves nothing open, wherever it fails.
//
// Checks 6455-9.
func TestDialFailureClosesStream(t *testing.T) {
	for _, test := range []struct {
		url, proxy string
		says       []string
	}{
		{"ws://h.test/", "", []string{"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"}},
		{"ws://h.test/", "", []string{"HTTP/1.1 101 Switching Protocols\r\n\r\n"}},
		{"ws://h.test/", "", []string{"SSH-2.0-x\r\n\r\n"}},
		{"ws://h.test/", "", []string{"\n"}},
		{"wss://h.test/", "", []string{"HTTP/1.1 400 Bad Request\r\n\r\n"}},
		{"ws://h.test/", "http://p.test", []string{"HTTP/1.1 407 No\r\n\r\n"}},
		{"ws://h.test/", "https://p.test", []string{"HTTP/1.1 400 Bad Request\r\n\r\n"}},
		{"wss://h.test/", "http://p.test", []string{established, "nonsense"}},
		{"ws://h.test/", "socks5://p.test", []string{"\x05\xff"}},
	} {
		synctest.Test(t, func(t *testing.T) {
			peer := &silentPeer{says: test.says}
			opts := &websocket.DialOptions{NetDialContext: peer.dial, Proxy: websocket.NoProxy}
			if test.proxy != "" {
				opts.Proxy = func(*url.URL) (*url.URL, error) { return url.Parse(test.proxy) }
			}
			start := time.Now()
			c, _, err := websocket.Dial(t.Context(), test.url, opts)
			if took := time.Since(start); c != nil || err == nil || took != 0 {
				t.Errorf("%s, %q, %q: Dial() = %v, %v after %v, want an error at once", test.url, test.proxy, test.says, c, err, took)
			}
			for _, s := range peer.streams {
				if _, err := io.Copy(io.Discard, s); err != nil {
					t.Errorf("%s, %q, %q: the stream ends with %v, want it closed", test.url, test.proxy, test.says, err)
				}
			}
		})
	}
}
