//go:build interop

package interop

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"

	"github.com/seed-15847954/ropewalk/websocket"
	"github.com/seed-15847954/ropewalk/websocket/wsh2"
	_ "github.com/seed-15847954/ropewalk/websocket/xconnect"
)

// An h2Acceptor is an HTTP/2 server of the library whose connections a test takes
// over. A handler returns when its connection has ended.
type h2Acceptor struct {
	*httptest.Server
	conns    chan *websocket.Conn
	requests chan *http.Request
	errs     chan error
}

// newH2Acceptor starts one with /ws, /get and the page of testdata, with TLS or
// without.
func newH2Acceptor(t *testing.T, secure bool, opts *websocket.AcceptOptions) *h2Acceptor {
	t.Helper()
	a := &h2Acceptor{
		conns: make(chan *websocket.Conn, 100), requests: make(chan *http.Request, 100), errs: make(chan error, 100),
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/get", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "got") })
	mux.HandleFunc("/page", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, "testdata/socket.html") })
	mux.HandleFunc("/ws", func(w http.ResponseWriter, r *http.Request) {
		a.requests <- r
		c, err := websocket.Accept(w, r, opts)
		if err != nil {
			a.errs <- err
			return
		}
		a.conns <- c
		if r.ProtoMajor > 1 {
			<-c.Context().Done() // the test closes it
			_ = c.Close(websocket.CloseNormal, "")
		}
	})
	a.Server = httptest.NewUnstartedServer(mux)
	a.EnableHTTP2 = secure
	if secure {
		a.StartTLS()
	} else {
		a.Config.Protocols = new(http.Protocols)
		a.Config.Protocols.SetHTTP1(true)
		a.Config.Protocols.SetUnencryptedHTTP2(true)
		a.Start()
	}
	t.Cleanup(a.Close)
	return a
}

// next returns the next connection, which ends with the test.
func (a *h2Acceptor) next(t *testing.T) *websocket.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), stepTimeout)
	defer cancel()
	select {
	case c := <-a.conns:
		t.Cleanup(func() { _ = c.CloseNow() })
		return c
	case err := <-a.errs:
		t.Fatalf("Accept() = %v, want a connection", err)
	case <-ctx.Done():
		t.Fatal("no connection came")
	}
	return nil
}

// An h2Peer is Node's HTTP/2.
type h2Peer struct{ *peer }

// An h2Answer is how a server answered Node's extended CONNECT.
type h2Answer struct {
	Status  int
	Headers map[string]any
	Body    string
	Error   string
}

// An h2Ending is how Node saw a connection end, and the code of RST_STREAM.
type h2Ending struct {
	ending
	Reset int
}

func startH2Peer(t *testing.T) *h2Peer {
	t.Helper()
	return &h2Peer{&peer{t: t, lines: startLines(t, exec.Command(tool(t, "node"), "peers/http2.cjs"))}}
}

func (p *h2Peer) open(url string) (enabled bool) {
	p.t.Helper()
	var got struct{ Enabled bool }
	p.do("open", map[string]any{"url": url}, &got)
	return got.Enabled
}

func (p *h2Peer) connect(headers map[string]string) (got h2Answer) {
	p.t.Helper()
	p.do("dial", map[string]any{"headers": headers}, &got)
	return got
}

// checkH2Messages sends messages both ways and pings.
func checkH2Messages(t *testing.T, c *websocket.Conn, p *h2Peer) {
	t.Helper()
	for _, m := range messages() {
		checkToPeer(t, c, p.peer, m)
		checkFromPeer(t, c, p.peer, m, m.data)
	}
	stop := readInBackground(c)
	defer stop()
	if got := p.ping("are you there?"); got != "are you there?" {
		t.Errorf("the Pong has %q", got)
	}
}

// Node's HTTP/2 client sees the setting, opens tunnels beside requests on one
// connection, exchanges messages, and sees both kinds of end.
//
// Checks 8441-1, 8441-13, 8441-15, 8441-16, 8441-17, 8441-18.
func TestHTTP2Node(t *testing.T) {
	srv := newH2Acceptor(t, false, &websocket.AcceptOptions{Subprotocols: []string{"chat.v2"}})
	p := startH2Peer(t)
	defer p.shut()
	if !p.open(srv.URL) {
		t.Error("SETTINGS_ENABLE_CONNECT_PROTOCOL is not 1")
	}
	got := p.connect(map[string]string{"sec-websocket-protocol": "chat.v3, chat.v2"})
	if got.Status != http.StatusOK || got.Headers["sec-websocket-protocol"] != "chat.v2" || got.Headers["sec-websocket-accept"] != nil {
		t.Fatalf("the answer is %+v", got)
	}
	c := srv.next(t)
	checkH2Messages(t, c, p)
	var page struct {
		Status int
		Body   string
	}
	if p.do("get", map[string]any{"path": "/get"}, &page); page.Status != http.StatusOK || page.Body != "got" {
		t.Errorf("GET beside the WebSocket = %+v", page)
	}
	read := make(chan error, 1)
	go func() {
		_, _, err := c.Read(t.Context())
		read <- err
	}()
	var end h2Ending
	p.do("close", map[string]any{"code": 3001, "reason": "enough"}, &end)
	if want := (ending{3001, "enough"}); end.Code != want.Code || end.Reset != 0 {
		t.Errorf("Node saw %+v, want %v and no reset", end, want)
	}
	checkEnding(t, <-read, ending{3001, "enough"})

	p.connect(nil)
	c = srv.next(t)
	if err := c.Close(websocket.CloseGoingAway, "moved"); err != nil {
		t.Errorf("Close() = %v", err)
	}
	if p.do("closed", nil, &end); end.ending != (ending{websocket.CloseGoingAway, "moved"}) || end.Reset != 0 {
		t.Errorf("Node saw %+v, want 1001", end)
	}

	p.connect(nil)
	c = srv.next(t)
	p.do("reset", nil, nil)
	var closed *websocket.CloseError
	if _, _, err := c.Read(t.Context()); !errors.As(err, &closed) || closed.Code != websocket.CloseAbnormal {
		t.Errorf("Read() after RST_STREAM = %v, want 1006", err)
	}

	p.connect(nil)
	_ = srv.next(t).CloseNow()
	if p.do("closed", nil, &end); end.Code != websocket.CloseAbnormal || end.Reset == 0 {
		t.Errorf("Node saw %+v after CloseNow, want 1006 and a reset", end)
	}
}

// What the server refuses reaches Node as an ordinary answer.
//
// Checks 8441-10, 8441-14, 8441-19.
func TestHTTP2NodeRefused(t *testing.T) {
	srv := newH2Acceptor(t, false, nil)
	p := startH2Peer(t)
	defer p.shut()
	p.open(srv.URL)
	for _, test := range []struct {
		name, value string
		want        int
	}{
		{"sec-websocket-version", "12", http.StatusBadRequest},
		{"origin", "https://evil.example", http.StatusForbidden},
		{":protocol", "foo", http.StatusNotImplemented},
		{":path", "/nowhere", http.StatusNotFound},
	} {
		got := p.connect(map[string]string{test.name: test.value})
		if got.Status != test.want || got.Body == "" {
			t.Errorf("%s: %s: the answer is %+v, want %d", test.name, test.value, got, test.want)
		}
	}
}

// The client opens tunnels at Node's HTTP/2 server, all on one connection.
//
// Checks 8441-11, 8441-16, 8441-17.
func TestHTTP2DialNode(t *testing.T) {
	p := startH2Peer(t)
	defer p.shut()
	var at struct{ Addr string }
	p.do("listen", nil, &at)
	var transport wsh2.Transport
	defer transport.Close()
	for range 3 {
		c, _, err := websocket.Dial(t.Context(), "ws://"+at.Addr+"/chat?room=1", &websocket.DialOptions{Connector: &transport})
		if err != nil {
			t.Fatal(err)
		}
		defer c.CloseNow()
		var got struct {
			Headers  map[string]any
			Sessions int
		}
		p.do("accept", nil, &got)
		if got.Sessions != 1 || got.Headers[":path"] != "/chat?room=1" || got.Headers[":scheme"] != "http" || got.Headers[":authority"] != at.Addr {
			t.Errorf("Node saw %+v", got)
		}
		checkH2Messages(t, c, p)
		if err := c.Close(websocket.CloseNormal, "done"); err != nil {
			t.Errorf("Close() = %v", err)
		}
		var end h2Ending
		if p.do("closed", nil, &end); end.ending != (ending{websocket.CloseNormal, "done"}) || end.Reset != 0 {
			t.Errorf("Node saw %+v", end)
		}
	}
}

// A page over HTTP/2 opens its WebSocket on the connection that it came over.
//
// Checks 8441-1, 8441-14, 8441-15, 8441-16, 8441-17.
func TestHTTP2Browsers(t *testing.T) {
	for _, kind := range browsers {
		t.Run(kind.name, func(t *testing.T) {
			srv := newH2Acceptor(t, true, &websocket.AcceptOptions{
				Compression: &websocket.Compression{}, Subprotocols: []string{"chat.v2"}, Limits: websocket.Limits{MaxMessageSize: -1},
			})
			b := launchInsecure(t, kind.driver, tool(t, kind.program))
			w := b.open(srv.URL + "/page")
			url := "wss" + strings.TrimPrefix(srv.URL, "https") + "/ws"
			w.run(`window.s = await open("`+url+`", ["chat.v3", "chat.v2"]);`, nil)
			c := srv.next(t)
			if r := <-srv.requests; r.ProtoMajor != 2 || r.Method != http.MethodConnect || r.Header.Get("Sec-Websocket-Key") != "" {
				t.Errorf("the request is %s over %s with %v, want CONNECT over HTTP/2", r.Method, r.Proto, r.Header)
			}
			if !c.Compressed() || c.Subprotocol() != "chat.v2" {
				t.Errorf("compressed %v, subprotocol %q", c.Compressed(), c.Subprotocol())
			}
			echoed := make(chan error, 1)
			go func() { echoed <- echoAll(t.Context(), c) }()
			var got struct {
				Wrong []string
				End   struct {
					Code     int
					WasClean bool
				}
			}
			w.run(echoInOpened, &got)
			if len(got.Wrong) > 0 || got.End.Code != 3001 || !got.End.WasClean {
				t.Errorf("the page saw %+v, want a clean end with code 3001", got)
			}
			checkEnding(t, <-echoed, ending{3001, "enough"})
		})
	}
}

// echoInOpened does what echoScript does in a socket that is open.
var echoInOpened = echoScript[strings.Index(echoScript, "const wrong"):]

// echoAll sends every message back and returns how that ended.
func echoAll(ctx context.Context, c *websocket.Conn) error {
	for {
		typ, p, err := c.Read(ctx)
		if err != nil {
			return err
		}
		if err := c.Write(ctx, typ, p); err != nil {
			return err
		}
	}
}

// HAProxy hands a WebSocket on from HTTP/2 to HTTP/1.1 and back, and from HTTP/2 to
// HTTP/2: to this server, and from this client.
//
// Checks 8441-10, 8441-14, 8441-16, 8441-17.
func TestHTTP2HAProxy(t *testing.T) {
	for _, test := range []struct {
		name        string
		front, back bool // HTTP/2
	}{
		{"2 to 1", true, false}, {"1 to 2", false, true}, {"2 to 2", true, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			srv := newH2Acceptor(t, false, &websocket.AcceptOptions{
				Compression: &websocket.Compression{}, Subprotocols: []string{"chat.v2"}, Limits: websocket.Limits{MaxMessageSize: -1},
			})
			addr := freeAddr(t)
			config := configure(t, "haproxy-http2.cfg", map[string]any{
				"Addr": addr, "Backend": srv.Listener.Addr().String(), "IdleSeconds": patient,
				"FrontHTTP2": test.front, "BackHTTP2": test.back,
			})
			start(t, addr, tool(t, "haproxy"), "-db", "-f", config)
			opts := &websocket.DialOptions{Compression: &websocket.Compression{}, Subprotocols: []string{"chat.v2"}, Limits: websocket.Limits{MaxMessageSize: -1}}
			if test.front {
				transport := &wsh2.Transport{}
				t.Cleanup(func() { _ = transport.Close() })
				opts.Connector = transport
			}
			near, _, err := websocket.Dial(t.Context(), "ws://"+addr+"/ws", opts)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = near.CloseNow() })
			far := srv.next(t)
			if r := <-srv.requests; (r.ProtoMajor == 2) != test.back {
				t.Errorf("the request came over %s", r.Proto)
			}
			if !near.Compressed() || !far.Compressed() || far.Subprotocol() != "chat.v2" || near.Subprotocol() != "chat.v2" {
				t.Error("compression or subprotocol was not agreed")
			}
			echoed := make(chan error, 1)
			go func() { echoed <- echoAll(t.Context(), far) }()
			for _, m := range messages() {
				checkEcho(t, near, m)
			}
			if err := near.Close(3001, "enough"); err != nil {
				t.Errorf("Close() = %v", err)
			}
			checkEnding(t, <-echoed, ending{3001, "enough"})
		})
	}
}
