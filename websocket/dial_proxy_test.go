package websocket_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-15847954/ropewalk/websocket"
)

// A testProxy takes connections, has speak agree with the client on where they go,
// and joins them with one to backend, whatever that was.
type testProxy struct {
	listener net.Listener
	backend  string
	speak    func(p *testProxy, client net.Conn) error

	mu    sync.Mutex
	asked []string
	open  []net.Conn
}

func startProxy(t *testing.T, backend string, speak func(p *testProxy, client net.Conn) error) *testProxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &testProxy{listener: l, backend: backend, speak: speak}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			p.hold(client)
			serving.Go(func() { p.serve(client) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		p.mu.Lock()
		for _, c := range p.open {
			c.Close()
		}
		p.mu.Unlock()
		serving.Wait()
	})
	return p
}

func (p *testProxy) hold(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open = append(p.open, c)
	c.SetDeadline(time.Now().Add(30 * time.Second))
}

func (p *testProxy) note(asked string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = append(p.asked, asked)
}

// last returns what was last asked for.
func (p *testProxy) last() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.asked) == 0 {
		return ""
	}
	return p.asked[len(p.asked)-1]
}

func (p *testProxy) serve(client net.Conn) {
	defer client.Close()
	wrapped := &wrapping{Conn: client}
	if err := p.speak(p, wrapped); err != nil {
		return
	}
	backend, err := net.Dial("tcp", p.backend)
	if err != nil {
		return
	}
	p.hold(backend)
	defer backend.Close()
	var joined sync.WaitGroup
	joined.Go(func() {
		io.Copy(backend, wrapped.top())
		backend.Close()
	})
	io.Copy(wrapped.top(), backend)
	client.Close()
	joined.Wait()
}

// A wrapping is a connection that speak may have put TLS on.
type wrapping struct {
	net.Conn
	inner net.Conn
}

func (w *wrapping) top() net.Conn {
	if w.inner != nil {
		return w.inner
	}
	return w.Conn
}

// connectProxy is an HTTP proxy that answers CONNECT with answer. It reads byte by
// byte, so that it takes nothing that belongs into the tunnel.
func connectProxy(answer string) func(p *testProxy, client net.Conn) error {
	return func(p *testProxy, client net.Conn) error {
		client = client.(*wrapping).top()
		head, err := readHead(client)
		if err != nil {
			return err
		}
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(head)))
		if err != nil {
			return err
		}
		p.note(r.Method + " " + r.RequestURI + " Host=" + r.Host + " " + r.Header.Get("Proxy-Authorization"))
		if _, err := io.WriteString(client, answer); err != nil || !strings.HasPrefix(answer, "HTTP/1.1 200") {
			return errors.New("refused")
		}
		return nil
	}
}

func readHead(r io.Reader) (head []byte, err error) {
	for !bytes.HasSuffix(head, []byte("\r\n\r\n")) {
		var b [1]byte
		if _, err := io.ReadFull(r, b[:]); err != nil {
			return nil, err
		}
		head = append(head, b[0])
	}
	return head, nil
}

func fixedProxy(t *testing.T, s string) func(*url.URL) (*url.URL, error) {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return func(*url.URL) (*url.URL, error) { return u, nil }
}

const established = "HTTP/1.1 200 Connection established\r\n\r\n"

// RFC 6455, section 4.1: through a proxy the client asks for a tunnel, for ws too,
// and speaks inside it. The proxy function gets the ws or wss form of the URL.
//
// Checks 6455-6, 6455-8, 6455-12, 6455-151.
func TestDialHTTPProxy(t *testing.T) {
	cert, roots := certificateFor(t, time.Now().Add(time.Hour), "h.test")
	plain := answering(t, acceptAnswer())
	secure := answeringOver(t, acceptAnswer(), overTLS(&tls.Config{Certificates: []tls.Certificate{cert}}))
	for _, test := range []struct {
		url, user string
		server    *answerServer
		want      string
	}{
		{"ws://h.test/p?q", "", plain, "CONNECT h.test:80 Host=h.test:80 "},
		{"ws://u:p@h.test:81/p?q", "x:y@", plain, "CONNECT h.test:81 Host=h.test:81 Basic eDp5"},
		{"ws://[::1]/p?q", "", plain, "CONNECT [::1]:80 Host=[::1]:80 "},
		{"wss://h.test/p?q", "x:y@", secure, "CONNECT h.test:443 Host=h.test:443 Basic eDp5"},
	} {
		p := startProxy(t, test.server.listener.Addr().String(), connectProxy(established))
		proxyURL := fixedProxy(t, "http://"+test.user+p.listener.Addr().String())
		var asked string
		c, _, err := websocket.Dial(soon(t), test.url, &websocket.DialOptions{
			TLSConfig: &tls.Config{RootCAs: roots},
			Proxy: func(u *url.URL) (*url.URL, error) {
				asked = u.String()
				return proxyURL(u)
			},
		})
		if err != nil {
			t.Errorf("Dial(%q) = %v", test.url, err)
			continue
		}
		c.CloseNow()
		if got := p.last(); got != test.want {
			t.Errorf("Dial(%q) asks the proxy for %q, want %q", test.url, got, test.want)
		}
		if want := strings.Replace(test.url, "u:p@", "", 1); strings.Replace(asked, ":81", "", 1) != strings.Replace(want, ":81", "", 1) {
			t.Errorf("Dial(%q) asks for the proxy of %q, want %q", test.url, asked, want)
		}
		seen := test.server.seen()
		if r := seen[len(seen)-1]; r.RequestURI != "/p?q" || r.Header.Get("Proxy-Authorization") != "" {
			t.Errorf("Dial(%q) sends %q with %v through the tunnel", test.url, r.RequestURI, r.Header)
		}
	}
}

// A proxy with TLS has a certificate of its own, and never sees the server's.
//
// Checks 6455-6, 6455-10, 6455-151.
func TestDialHTTPSProxy(t *testing.T) {
	serverCert, serverRoots := certificateFor(t, time.Now().Add(time.Hour), "h.test")
	proxyCert, proxyRoots := certificateFor(t, time.Now().Add(time.Hour), "127.0.0.1")
	s := answeringOver(t, acceptAnswer(), overTLS(&tls.Config{Certificates: []tls.Certificate{serverCert}}))
	p := startProxy(t, s.listener.Addr().String(), func(p *testProxy, client net.Conn) error {
		w := client.(*wrapping)
		w.inner = tls.Server(w.Conn, &tls.Config{Certificates: []tls.Certificate{proxyCert}})
		return connectProxy(established)(p, w)
	})
	opts := &websocket.DialOptions{
		Proxy:          fixedProxy(t, "https://x:y@"+p.listener.Addr().String()),
		TLSConfig:      &tls.Config{RootCAs: serverRoots, ServerName: "h.test"},
		ProxyTLSConfig: &tls.Config{RootCAs: proxyRoots},
	}
	c, _, err := websocket.Dial(soon(t), "wss://h.test/", opts)
	if err != nil {
		t.Fatal(err)
	}
	c.CloseNow()
	if got, want := p.last(), "CONNECT h.test:443 Host=h.test:443 Basic eDp5"; got != want {
		t.Errorf("the proxy was asked for %q, want %q", got, want)
	}
	opts.ProxyTLSConfig = nil
	if c, _, err := websocket.Dial(soon(t), "wss://h.test/", opts); err == nil {
		t.Errorf("Dial() = %v, nil through a proxy that is not trusted, want an error", c)
	}
}

// RFC 6455, section 4.1: what a proxy refuses is an error, and never a connection.
//
// Checks 6455-9.
func TestDialHTTPProxyRefuses(t *testing.T) {
	s := answering(t, acceptAnswer())
	for answer, status := range map[string]int{
		"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nContent-Length: 4\r\n\r\nbody": 407,
		"HTTP/1.1 502 Bad Gateway\r\n\r\n":                       502,
		"HTTP/1.1 101 Switching Protocols\r\n\r\n":               101,
		"HTTP/1.1 302 Found\r\nLocation: http://h.test/\r\n\r\n": 302,
		"nonsense\r\n\r\n":                                       0,
		"":                                                       -1,
		"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 101 Switching Protocols\r\n\r": -1,
	} {
		p := startProxy(t, s.listener.Addr().String(), connectProxy(answer))
		c, resp, err := websocket.Dial(soon(t), "ws://h.test/", &websocket.DialOptions{
			Proxy: fixedProxy(t, "http://"+p.listener.Addr().String()),
		})
		if c != nil || resp != nil || err == nil {
			t.Errorf("answer %q: Dial() = %v, %v, %v, want an error alone", answer, c, resp, err)
		}
		var e *websocket.HandshakeError
		if errors.As(err, &e) != (status >= 0) || e != nil && e.Status != status {
			t.Errorf("answer %q: Dial() = %v, want status %d", answer, err, status)
		}
	}
	if n := len(s.seen()); n > 0 {
		t.Errorf("%d requests came through", n)
	}
	for _, proxy := range []string{"ftp://127.0.0.1:1", "127.0.0.1:1", "http://", "http://h:x", "http://127.0.0.1:1"} {
		u := &url.URL{Scheme: "ftp"}
		if parsed, err := url.Parse(proxy); err == nil {
			u = parsed
		}
		if c, _, err := websocket.Dial(soon(t), "ws://h.test/", &websocket.DialOptions{
			Proxy: func(*url.URL) (*url.URL, error) { return u, nil },
		}); err == nil {
			t.Errorf("proxy %q: Dial() = %v, nil, want an error", proxy, c)
		}
	}
	broken := errors.New("broken")
	if _, _, err := websocket.Dial(soon(t), "ws://h.test/", &websocket.DialOptions{
		Proxy: func(*url.URL) (*url.URL, error) { return nil, broken },
	}); !errors.Is(err, broken) {
		t.Errorf("Dial() = %v, want %v", err, broken)
	}
}

// socksServer speaks SOCKS 5 by hand. It wants user "x" with password "y" if auth.
func socksServer(auth bool, reply []byte) func(p *testProxy, client net.Conn) error {
	return func(p *testProxy, client net.Conn) error {
		read := func(n int) []byte {
			b := make([]byte, n)
			io.ReadFull(client, b)
			return b
		}
		methods := read(int(read(2)[1]))
		method, login := byte(0), ""
		if auth {
			method = 2
		}
		if !bytes.Contains(methods, []byte{method}) {
			client.Write([]byte{5, 0xff})
			return errors.New("no common method")
		}
		client.Write([]byte{5, method})
		if auth {
			read(1)
			login = string(read(int(read(1)[0]))) + ":" + string(read(int(read(1)[0]))) + "@"
			if login != "x:y@" {
				client.Write([]byte{1, 1})
				return errors.New("wrong login")
			}
			client.Write([]byte{1, 0})
		}
		request := read(4)
		size := map[byte]int{1: 4, 4: 16}[request[3]]
		if request[3] == 3 {
			size = int(read(1)[0])
		}
		host := read(size)
		port := read(2)
		p.note(fmt.Sprintf("%s%d %d %q %d", login, request[1], request[3], host, int(port[0])<<8|int(port[1])))
		client.Write(reply)
		if len(reply) < 10 || reply[1] != 0 {
			return errors.New("refused")
		}
		return nil
	}
}

// RFC 1928 and RFC 1929: the proxy looks up names, addresses go as they are, and
// the reply is read to its last byte whatever address stands in it.
//
// Checks 6455-6, 6455-12.
func TestDialSOCKS(t *testing.T) {
	cert, roots := certificateFor(t, time.Now().Add(time.Hour), "h.test")
	plain := answering(t, acceptAnswer())
	secure := answeringOver(t, acceptAnswer(), overTLS(&tls.Config{Certificates: []tls.Certificate{cert}}))
	ipv4 := []byte{5, 0, 0, 1, 1, 2, 3, 4, 0, 80}
	ipv6 := append([]byte{5, 0, 0, 4}, make([]byte, 18)...)
	name := append([]byte{5, 0, 0, 3, 5}, "h.testXX"[:7]...)
	for _, test := range []struct {
		url, proxy string
		auth       bool
		reply      []byte
		server     *answerServer
		want       string
	}{
		{"ws://h.test/", "socks5://", false, ipv4, plain, `1 3 "h.test" 80`},
		{"ws://h.test:8080/", "socks5h://", false, ipv6, plain, `1 3 "h.test" 8080`},
		{"ws://10.0.0.1/", "socks5://", false, name, plain, `1 1 "\n\x00\x00\x01" 80`},
		{"ws://[::1]/", "socks5://", false, ipv4, plain, `1 4 "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01" 80`},
		{"ws://h.test/", "socks5://x:y@", false, ipv4, plain, `1 3 "h.test" 80`},
		{"ws://h.test/", "socks5://x:y@", true, ipv4, plain, `x:y@1 3 "h.test" 80`},
		{"wss://h.test/", "socks5h://x:y@", true, ipv4, secure, `x:y@1 3 "h.test" 443`},
	} {
		p := startProxy(t, test.server.listener.Addr().String(), socksServer(test.auth, test.reply))
		c, _, err := websocket.Dial(soon(t), test.url, &websocket.DialOptions{
			Proxy: fixedProxy(t, test.proxy+p.listener.Addr().String()), TLSConfig: &tls.Config{RootCAs: roots},
		})
		if err != nil {
			t.Errorf("Dial(%q) through %s = %v", test.url, test.proxy, err)
			continue
		}
		c.CloseNow()
		if got := p.last(); got != test.want {
			t.Errorf("Dial(%q) through %s asks for %q, want %q", test.url, test.proxy, got, test.want)
		}
	}
}

// What a SOCKS proxy refuses, or says wrong, is an error.
//
// Checks 6455-9.
func TestDialSOCKSRefuses(t *testing.T) {
	raw := func(answers ...string) func(p *testProxy, client net.Conn) error {
		return func(p *testProxy, client net.Conn) error {
			for _, answer := range answers {
				client.Read(make([]byte, 1000))
				io.WriteString(client, answer)
			}
			return errors.New("done")
		}
	}
	long := strings.Repeat("a", 256)
	for name, test := range map[string]struct {
		proxy string
		speak func(p *testProxy, client net.Conn) error
	}{
		"wants a password":  {"socks5://", socksServer(true, nil)},
		"wrong password":    {"socks5://x:z@", socksServer(true, nil)},
		"empty password":    {"socks5://x@", raw("\x05\x02")},
		"long password":     {"socks5://x:" + long + "@", raw("\x05\x02")},
		"refuses":           {"socks5://", socksServer(false, []byte{5, 5, 0, 1, 0, 0, 0, 0, 0, 0})},
		"unknown refusal":   {"socks5://", socksServer(false, []byte{5, 99})},
		"cut reply":         {"socks5://", socksServer(false, []byte{5, 0, 0})},
		"cut greeting":      {"socks5://", raw("\x05")},
		"version 4":         {"socks5://", raw("\x04\x00")},
		"speaks HTTP":       {"socks5://", raw("HTTP/1.1 400 Bad Request\r\n\r\n")},
		"unasked password":  {"socks5://", raw("\x05\x02")},
		"unasked method":    {"socks5://x:y@", raw("\x05\x01")},
		"cut auth":          {"socks5://x:y@", raw("\x05\x02", "\x01")},
		"wrong reply":       {"socks5://", raw("\x05\x00", "\x04\x00\x00\x01\x00\x00\x00\x00\x00\x00")},
		"wrong address":     {"socks5://", raw("\x05\x00", "\x05\x00\x00\x02\x00\x00\x00\x00\x00\x00")},
		"cut address":       {"socks5://", raw("\x05\x00", "\x05\x00\x00\x01\x00")},
		"cut after address": {"socks5://", raw("\x05\x00", "\x05\x00\x00\x03\x09\x00")},
	} {
		s := answering(t, acceptAnswer())
		p := startProxy(t, s.listener.Addr().String(), test.speak)
		if c, _, err := websocket.Dial(soon(t), "ws://h.test/", &websocket.DialOptions{
			Proxy: fixedProxy(t, test.proxy+p.listener.Addr().String()),
		}); err == nil {
			t.Errorf("%s: Dial() = %v, nil, want an error", name, c)
		}
	}
	if c, _, err := websocket.Dial(soon(t), "ws://[fe80::1%25eth0]/", &websocket.DialOptions{Proxy: fixedProxy(t, "socks5://127.0.0.1:1")}); err == nil {
		t.Errorf("zone through a proxy: Dial() = %v, nil, want an error", c)
	}
}

// The environment names the proxy. It is read once, so that a process of its own
// has to look.
func TestProxyFromEnvironment(t *testing.T) {
	if os.Getenv("ROPEWALK_TEST_PROXY") != "" {
		for _, target := range []string{"ws://h.test/", "wss://h.test/", "ws://no.test/", "wss://sub.no.test:8/", "ws://localhost/"} {
			u, err := url.Parse(target)
			if err != nil {
				t.Fatal(err)
			}
			proxy, err := websocket.ProxyFromEnvironment(u)
			fmt.Printf("%s -> %v %v\n", target, proxy, err)
		}
		var asked string
		websocket.Dial(t.Context(), "wss://h.test/", &websocket.DialOptions{
			NetDialContext: func(_ context.Context, _, address string) (net.Conn, error) {
				asked = address
				return nil, errors.New("no")
			},
		})
		fmt.Printf("Dial asks %s\n", asked)
		return
	}
	cmd := exec.CommandContext(soon(t), os.Args[0], "-test.run=^TestProxyFromEnvironment$")
	cmd.Env = append(os.Environ(), "ROPEWALK_TEST_PROXY=1", "REQUEST_METHOD=", "NO_PROXY=no.test", "no_proxy=no.test",
		"HTTP_PROXY=http://plain.test:81", "http_proxy=http://plain.test:81", "HTTPS_PROXY=socks5://secure.test", "https_proxy=socks5://secure.test")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"ws://h.test/ -> http://plain.test:81 <nil>\n", "wss://h.test/ -> socks5://secure.test <nil>\n", "ws://no.test/ -> <nil> <nil>\n",
		"wss://sub.no.test:8/ -> <nil> <nil>\n", "ws://localhost/ -> <nil> <nil>\n", "Dial asks secure.test:1080\n",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("ProxyFromEnvironment printed %q, want %q in it", out, want)
		}
	}
}
