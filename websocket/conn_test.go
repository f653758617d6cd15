package websocket_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15847954/ropewalk/websocket"
	"github.com/seed-15847954/ropewalk/websocket/frame"
	"github.com/seed-15847954/ropewalk/websocket/wstest"
)

// A network makes pairs of streams.
type network struct {
	name string
	pair func(t *testing.T) (a, b net.Conn)

	// bare hides all that the stream can do but read, write and close.
	bare bool
}

// networks are the kinds of streams that a Conn treats in ways of their own.
var networks = []network{
	{name: "memory", pair: memoryPair},
	{name: "bare", pair: memoryPair, bare: true},
	{name: "tcp", pair: tcpPair},
	{name: "unix", pair: unixPair},
	{name: "tls", pair: tlsPair},
}

// conns returns a client and a server at the ends of a new stream.
func (n network) conns(t *testing.T, params websocket.Params) (client, server *websocket.Conn) {
	t.Helper()
	a, b := n.pair(t)
	client, server = n.conn(a, websocket.Client, params), n.conn(b, websocket.Server, params)
	t.Cleanup(func() {
		client.CloseNow()
		server.CloseNow()
	})
	return client, server
}

func (n network) conn(stream net.Conn, role websocket.Role, params websocket.Params) *websocket.Conn {
	if n.bare {
		return websocket.NewConn(bareStream{stream}, role, params)
	}
	return websocket.NewConn(stream, role, params)
}

type bareStream struct{ io.ReadWriteCloser }

func memoryPair(*testing.T) (a, b net.Conn) { return wstest.Streams() }

func tcpPair(t *testing.T) (a, b net.Conn) { return socketPair(t, "tcp", "127.0.0.1:0") }
func unixPair(t *testing.T) (a, b net.Conn) {
	return socketPair(t, "unix", filepath.Join(t.TempDir(), "s"))
}

func socketPair(t *testing.T, network, addr string) (a, b net.Conn) {
	t.Helper()
	l, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if a, err = net.Dial(network, l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if b, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		a.Close()
		b.Close()
	})
	return a, b
}

// certificate is that of httptest, for example.com.
var certificate = sync.OnceValue(func() tls.Certificate {
	s := httptest.NewTLSServer(nil)
	defer s.Close()
	return s.TLS.Certificates[0]
})

func tlsPair(t *testing.T) (a, b net.Conn) {
	t.Helper()
	a, b = tcpPair(t)
	return tlsOver(t, a, b)
}

// tlsOver returns the ends of a TLS connection inside that of a and b.
func tlsOver(t *testing.T, a, b net.Conn) (client, server *tls.Conn) {
	t.Helper()
	client = tls.Client(a, &tls.Config{InsecureSkipVerify: true})
	server = tls.Server(b, &tls.Config{Certificates: []tls.Certificate{certificate()}})
	handshake := make(chan error, 1)
	go func() { handshake <- server.Handshake() }()
	if err := client.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-handshake; err != nil {
		t.Fatal(err)
	}
	return client, server
}

// pipe returns both ends of a connection in memory, released with the test.
func pipe(t *testing.T, params websocket.Params) (client, server *websocket.Conn) {
	t.Helper()
	client, server = wstest.Pipe(params)
	t.Cleanup(func() {
		client.CloseNow()
		server.CloseNow()
	})
	return client, server
}

// rude returns a Conn and the Peer at its other end, released with the test.
func rude(t *testing.T, role websocket.Role, params websocket.Params) (*websocket.Conn, *wstest.Peer) {
	t.Helper()
	conn, peer := wstest.NewPeer(role, params)
	t.Cleanup(func() {
		conn.CloseNow()
		peer.Stream().Close()
	})
	return conn, peer
}

// quiet are params without pings of their own.
func quiet() websocket.Params {
	return websocket.Params{KeepAlive: websocket.KeepAlive{Interval: -1}}
}

// deflated are params with permessage-deflate for messages of any size.
func deflated() websocket.Params {
	p := quiet()
	p.Deflate = &websocket.DeflateParams{}
	p.CompressionThreshold = -1
	return p
}

// A recording is a stream that keeps what is written to it and has nothing to read.
type recording struct {
	mu     sync.Mutex
	b      []byte
	closed chan struct{}
	once   sync.Once
}

func (r *recording) Read([]byte) (int, error) {
	<-r.closed
	return 0, io.EOF
}

func (r *recording) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.b = append(r.b, p...)
	return len(p), nil
}

func (r *recording) Close() error {
	r.once.Do(func() { close(r.closed) })
	return nil
}

// encoded returns the bytes that a Conn of the given role sends for what send does.
func encoded(t *testing.T, role websocket.Role, params websocket.Params, send func(c *websocket.Conn)) []byte {
	t.Helper()
	r := &recording{closed: make(chan struct{})}
	c := websocket.NewConn(r, role, params)
	send(c)
	r.mu.Lock()
	b := bytes.Clone(r.b)
	r.mu.Unlock()
	c.CloseNow()
	return b
}

// mustWrite sends a message.
func mustWrite(t *testing.T, c *websocket.Conn, typ websocket.MessageType, p []byte) {
	t.Helper()
	if err := c.Write(t.Context(), typ, p); err != nil {
		t.Fatalf("Write(%v, %d bytes) = %v, want nil", typ, len(p), err)
	}
}

// mustRead reads a message and compares it.
func mustRead(t *testing.T, c *websocket.Conn, typ websocket.MessageType, want []byte) {
	t.Helper()
	gotType, got, err := c.Read(t.Context())
	if err != nil || gotType != typ || !bytes.Equal(got, want) {
		t.Fatalf("Read() = %v, %s, %v, want %v, %s, nil", gotType, short(got), err, typ, short(want))
	}
}

// short shows p, or its size and the start of it.
func short(p []byte) string {
	if len(p) > 40 {
		return fmt.Sprintf("%q... (%d bytes)", p[:40], len(p))
	}
	return fmt.Sprintf("%q", p)
}

// wantClosed checks that err is a CloseError with code.
func wantClosed(t *testing.T, what string, err error, code websocket.CloseCode) *websocket.CloseError {
	t.Helper()
	var closed *websocket.CloseError
	if !errors.As(err, &closed) || !errors.Is(err, net.ErrClosed) || closed.Code != code {
		t.Fatalf("%s: error = %v, want a CloseError with code %v", what, err, code)
	}
	return closed
}

// noise returns n bytes that do not compress, the same for the same seed.
func noise(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(r.Uint32())
	}
	return p
}

// soon returns a context for what ends at once if nothing hangs.
func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// TestMessagesOfAllSizes sends messages of each size both ways over each kind of
// stream, one after another.
//
// Checks 6455-78, 6455-81, 6455-84, 6455-112, 6455-116, 6455-117.
func TestMessagesOfAllSizes(t *testing.T) {
	sizes := []int{0, 1, 2, 124, 125, 126, 127, 128, 4095, 4096, 4097, 65535, 65536, 1 << 20}
	for _, n := range networks {
		for name, params := range map[string]websocket.Params{"plain": quiet(), "deflate": deflated()} {
			t.Run(n.name+"/"+name, func(t *testing.T) {
				checkLeaks(t)
				client, server := n.conns(t, params)
				go func() {
					for {
						typ, p, err := server.Read(context.Background())
						if err != nil || server.Write(context.Background(), typ, p) != nil {
							return
						}
					}
				}()
				for i, size := range sizes {
					p := noise(uint64(i), size)
					if i%2 == 1 {
						p = bytes.Repeat([]byte("rope "), size/5+1)[:size]
					}
					mustWrite(t, client, websocket.Binary, p)
					mustRead(t, client, websocket.Binary, p)
				}
			})
		}
	}
}

// TestAccessors checks what a Conn says about itself.
func TestAccessors(t *testing.T) {
	type key struct{}
	params := quiet()
	params.Subprotocol = "rope"
	params.Deflate = &websocket.DeflateParams{}
	ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "value"))
	params.Context = ctx
	client, server := pipe(t, params)
	cancel()
	if err := client.Context().Err(); err != nil {
		t.Errorf("Context().Err() with a cancelled Params.Context = %v, want nil", err)
	}
	if got := client.Context().Value(key{}); got != "value" {
		t.Errorf("Context().Value() = %v, want value", got)
	}
	if got := client.Subprotocol(); got != "rope" {
		t.Errorf("Subprotocol() = %q, want rope", got)
	}
	if client.Role() != websocket.Client || server.Role() != websocket.Server {
		t.Errorf("Role() = %v, %v, want client, server", client.Role(), server.Role())
	}
	if !client.Compressed() {
		t.Error("Compressed() = false, want true")
	}
	if client.LocalAddr() == nil || client.RemoteAddr() == nil {
		t.Error("LocalAddr(), RemoteAddr() = nil, want those of the stream")
	}
	bare := websocket.NewConn(bareStream{&recording{closed: make(chan struct{})}}, websocket.Client, quiet())
	defer bare.CloseNow()
	if bare.LocalAddr() != nil || bare.RemoteAddr() != nil {
		t.Error("LocalAddr(), RemoteAddr() of a stream without = non-nil, want nil")
	}
	if bare.Compressed() {
		t.Error("Compressed() = true, want false")
	}
}

// TestReceivedBytes checks that bytes which came with the handshake come first.
func TestReceivedBytes(t *testing.T) {
	both := encoded(t, websocket.Client, quiet(), func(c *websocket.Conn) {
		mustWrite(t, c, websocket.Text, []byte("first"))
		mustWrite(t, c, websocket.Text, []byte("second"))
	})
	for cut := range both {
		a, b := wstest.Streams()
		params := quiet()
		params.Received = bytes.Clone(both[:cut])
		server := websocket.NewConn(b, websocket.Server, params)
		if _, err := a.Write(both[cut:]); err != nil {
			t.Fatal(err)
		}
		mustRead(t, server, websocket.Text, []byte("first"))
		mustRead(t, server, websocket.Text, []byte("second"))
		server.CloseNow()
	}
}

// TestMasks looks at every kind of frame that each role sends.
//
// Checks 6455-70, 6455-72, 6455-75, 6455-82.
func TestMasks(t *testing.T) {
	for _, role := range []websocket.Role{websocket.Client, websocket.Server} {
		t.Run(role.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conn, peer := rude(t, role, quiet())
				const messages = 100
				go func() {
					for i := range messages {
						mustWrite(t, conn, websocket.Binary, []byte{byte(i), byte(i >> 8)})
					}
					mustWrite(t, conn, websocket.Text, nil)
					w, _ := conn.Writer(t.Context(), websocket.Text)
					io.WriteString(w, "fragment")
					w.Close()
					ctx, cancel := context.WithTimeout(t.Context(), time.Second)
					defer cancel()
					conn.Ping(ctx)
					conn.Close(websocket.CloseNormal, "done")
				}()
				kinds := make(map[frame.Opcode]bool)
				received := 0
				for {
					h, p, err := peer.Receive()
					if err != nil {
						break
					}
					if h.Masked != (role == websocket.Client) || h.RSV != 0 {
						t.Fatalf("%v: masked = %v, RSV = %#x, want %v, 0", h.Opcode, h.Masked, h.RSV, role == websocket.Client)
					}
					if want := []byte{byte(received), byte(received >> 8)}; h.Opcode == frame.Binary && !bytes.Equal(p, want) {
						t.Fatalf("message %d = %x, want %x", received, p, want)
					}
					received++
					kinds[h.Opcode] = true
				}
				for _, op := range []frame.Opcode{frame.Text, frame.Binary, frame.Continuation, frame.Ping, frame.Close} {
					if !kinds[op] {
						t.Errorf("no %v was seen", op)
					}
				}
			})
		})
	}
}
