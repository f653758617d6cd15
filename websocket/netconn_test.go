package websocket_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/rpc"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15847954/ropewalk/websocket"
	"github.com/seed-15847954/ropewalk/websocket/frame"
	"github.com/seed-15847954/ropewalk/websocket/wstest"
)

// netConns returns the net.Conn views of both ends, released with the test.
func netConns(t *testing.T, params websocket.Params) (a, b net.Conn) {
	t.Helper()
	client, server := pipe(t, params)
	return websocket.NetConn(t.Context(), client, websocket.Binary), websocket.NetConn(t.Context(), server, websocket.Binary)
}

// TestNetConnBytes sends bytes in messages of some sizes and reads them in others.
func TestNetConnBytes(t *testing.T) {
	for name, params := range map[string]websocket.Params{"plain": quiet(), "deflate": deflated()} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := netConns(t, params)
				want := noise(1, 300_000)
				wrote := async(func() error {
					for i, p := 0, want; len(p) > 0; i++ {
						n, err := a.Write(p[:min(len(p), i*i%5000)])
						if err != nil {
							return err
						}
						p = p[n:]
					}
					return a.Close()
				})
				got, err := io.ReadAll(b)
				if err != nil || !bytes.Equal(got, want) {
					t.Errorf("ReadAll() = %s, %v, want %s", short(got), err, short(want))
				}
				if err := <-wrote; err != nil {
					t.Errorf("Write() or Close() = %v, want nil", err)
				}
				if n, err := b.Read(make([]byte, 1)); n != 0 || err != io.EOF {
					t.Errorf("Read() behind the end = %d, %v, want 0, EOF", n, err)
				}
				if _, err := a.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
					t.Errorf("Read() behind the own Close = %v, want net.ErrClosed", err)
				}
				if _, err := a.Write(nil); !errors.Is(err, net.ErrClosed) {
					t.Errorf("Write() behind the own Close = %v, want net.ErrClosed", err)
				}
			})
		})
	}
}

// TestNetConnEnds checks which ends of a connection are an io.EOF.
func TestNetConnEnds(t *testing.T) {
	for _, tc := range []struct {
		code websocket.CloseCode
		eof  bool
	}{
		{websocket.CloseNormal, true},
		{websocket.CloseGoingAway, true},
		{websocket.CloseNoStatus, false},
		{websocket.CloseInternalError, false},
		{4001, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			client, server := pipe(t, quiet())
			c := websocket.NetConn(t.Context(), server, websocket.Binary)
			go client.Close(tc.code, "")
			_, err := c.Read(make([]byte, 1))
			if (err == io.EOF) != tc.eof || !tc.eof && !errors.Is(err, net.ErrClosed) {
				t.Errorf("Read() of an end with %v = %v, want io.EOF: %v", tc.code, err, tc.eof)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		conn, peer := rude(t, websocket.Server, quiet())
		c := websocket.NetConn(t.Context(), conn, websocket.Binary)
		peer.Stream().Close()
		if _, err := c.Read(make([]byte, 1)); err == io.EOF || !errors.Is(err, net.ErrClosed) {
			t.Errorf("Read() of a transport that was cut = %v, want net.ErrClosed and not io.EOF", err)
		}
	})
}

// TestNetConnWrongType sends a message of the other type.
//
// Checks 6455-134.
func TestNetConnWrongType(t *testing.T) {
	for typ, op := range map[websocket.MessageType]frame.Opcode{websocket.Text: frame.Binary, websocket.Binary: frame.Text} {
		synctest.Test(t, func(t *testing.T) {
			conn, peer := rude(t, websocket.Server, quiet())
			c := websocket.NetConn(t.Context(), conn, typ)
			peer.SendFrame(masked(op), []byte("other"))
			read := async(func() error {
				_, err := c.Read(make([]byte, 1))
				return err
			})
			wantCloseFrame(t, peer, websocket.CloseUnsupportedData)
			answer(peer, websocket.Server, websocket.CloseUnsupportedData, "")
			peer.Stream().(*wstest.Stream).CloseWrite()
			wantClosed(t, "Read()", <-read, websocket.CloseUnsupportedData)
		})
	}
}

// TestNetConnReadDeadline moves the read deadline about: before a call, during
// it, in the middle of a message, and back.
func TestNetConnReadDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := pipe(t, deflated())
		c := websocket.NetConn(t.Context(), server, websocket.Text)
		p := make([]byte, 100)
		timesOut := func(what string, want time.Duration) {
			t.Helper()
			start := time.Now()
			n, err := c.Read(p)
			var timeout net.Error
			if n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &timeout) || !timeout.Timeout() {
				t.Errorf("%s: Read() = %d, %v, want 0 and os.ErrDeadlineExceeded", what, n, err)
			}
			if took := time.Since(start); took != want {
				t.Errorf("%s: Read() took %v, want %v", what, took, want)
			}
		}
		reads := func(want string) {
			t.Helper()
			if n, err := c.Read(p); string(p[:n]) != want || err != nil {
				t.Errorf("Read() = %q, %v, want %q", p[:n], err, want)
			}
		}
		c.SetReadDeadline(time.Now().Add(-time.Hour))
		timesOut("past", 0)
		timesOut("past, again", 0)
		c.SetReadDeadline(time.Now().Add(time.Second))
		timesOut("future", time.Second)
		c.SetReadDeadline(time.Time{})
		time.AfterFunc(time.Second, func() { c.SetReadDeadline(time.Now()) })
		timesOut("set during the call", time.Second)
		c.SetReadDeadline(time.Now().Add(time.Second))
		time.AfterFunc(time.Second/2, func() { c.SetReadDeadline(time.Now().Add(time.Second)) })
		timesOut("moved during the call", 1500*time.Millisecond)

		c.SetDeadline(time.Now().Add(time.Second))
		w, err := client.Writer(t.Context(), websocket.Text)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, "first")
		reads("first")
		timesOut("in the middle of a message", time.Second)
		io.WriteString(w, "second")
		timesOut("in the middle of a message, again", 0)
		c.SetReadDeadline(time.Now().Add(time.Minute))
		reads("second")
		io.WriteString(w, "third")
		w.Close()
		mustWrite(t, client, websocket.Text, nil)
		mustWrite(t, client, websocket.Text, []byte("fourth"))
		reads("third")
		c.SetReadDeadline(time.Time{})
		reads("fourth")
	})
}

// TestNetConnWriteDeadline has writes time out. What was begun arrives, what was
// not does not, and the count that Write returns says which.
func TestNetConnWriteDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := pipe(t, quiet())
		c := websocket.NetConn(t.Context(), client, websocket.Binary)
		p := noise(1, 100_000)
		for i, want := range []int{len(p), 0, 0} {
			c.SetWriteDeadline(time.Now().Add(time.Second))
			if n, err := c.Write(p); n != want || !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("Write() %d = %d, %v, want %d, os.ErrDeadlineExceeded", i, n, err, want)
			}
		}
		c.SetWriteDeadline(time.Time{})
		go c.Write([]byte("end"))
		mustRead(t, server, websocket.Binary, p)
		mustRead(t, server, websocket.Binary, []byte("end"))
	})
}

// TestNetConnConcurrent uses and closes a view from many goroutines.
func TestNetConnConcurrent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := netConns(t, quiet())
		var wg sync.WaitGroup
		for _, c := range []net.Conn{a, b} {
			for i := range 5 {
				wg.Go(func() {
					p := make([]byte, 10*i+1)
					for {
						c.SetReadDeadline(time.Now().Add(time.Duration(i+1) * time.Millisecond))
						if _, err := c.Read(p); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
							return
						}
					}
				})
				wg.Go(func() {
					for {
						c.SetWriteDeadline(time.Now().Add(time.Duration(i+1) * time.Millisecond))
						if _, err := c.Write(make([]byte, 1000)); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
							return
						}
						<-time.After(time.Millisecond)
					}
				})
			}
		}
		<-time.After(time.Second)
		for range 3 {
			wg.Go(func() { a.Close() })
			wg.Go(func() { b.Close() })
		}
		wg.Wait()
	})
}

// TestNetConnCloseEndsCalls checks that a Read and a Write under way return.
func TestNetConnCloseEndsCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn, _ := rude(t, websocket.Server, quiet())
		c := websocket.NetConn(t.Context(), conn, websocket.Binary)
		read := async(func() error {
			_, err := c.Read(make([]byte, 1))
			return err
		})
		wrote := async(func() error {
			_, err := c.Write(noise(1, 200_000))
			return err
		})
		synctest.Wait()
		if err := c.Close(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Close() with a silent peer = %v, want os.ErrDeadlineExceeded", err)
		}
		if err := <-read; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Read() = %v, want net.ErrClosed", err)
		}
		if err := <-wrote; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Write() = %v, want net.ErrClosed", err)
		}
	})
}

// TestNetConnContext ends the view's context.
func TestNetConnContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := pipe(t, quiet())
		ctx, cancel := context.WithCancel(t.Context())
		c := websocket.NetConn(ctx, client, websocket.Binary)
		read := async(func() error {
			_, err := c.Read(make([]byte, 1))
			return err
		})
		synctest.Wait()
		cancel()
		wantClosed(t, "Read()", <-read, websocket.CloseAbnormal)
		wantClosed(t, "peer's Read()", readOne(server), websocket.CloseAbnormal)
		if c.LocalAddr() == nil || c.RemoteAddr() == nil {
			t.Error("LocalAddr(), RemoteAddr() = nil, want addresses")
		}
	})
}

// Adder is a service for net/rpc.
type Adder struct{}

// Add is called through the tunnel.
func (Adder) Add(in [2]int, sum *int) error {
	*sum = in[0] + in[1]
	return nil
}

// TestNetConnCarriesRPC tunnels net/rpc with many calls at once.
func TestNetConnCarriesRPC(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := netConns(t, deflated())
		server := rpc.NewServer()
		if err := server.Register(Adder{}); err != nil {
			t.Fatal(err)
		}
		served := make(chan struct{})
		go func() {
			server.ServeConn(b)
			close(served)
		}()
		client := rpc.NewClient(a)
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() {
				var sum int
				if err := client.Call("Adder.Add", [2]int{i, 1}, &sum); err != nil || sum != i+1 {
					t.Errorf("Add(%d, 1) = %d, %v, want %d", i, sum, err, i+1)
				}
			})
		}
		wg.Wait()
		if err := client.Close(); err != nil {
			t.Errorf("Close() = %v, want nil", err)
		}
		<-served
	})
}

// TestNetConnCarriesHTTP tunnels net/http, which sets deadlines to interrupt its
// background reads.
func TestNetConnCarriesHTTP(t *testing.T) {
	checkLeaks(t)
	client, server := networks[2].conns(t, quiet())
	a := websocket.NetConn(t.Context(), client, websocket.Binary)
	b := websocket.NetConn(t.Context(), server, websocket.Binary)
	l := &oneListener{conn: b, done: make(chan struct{})}
	srv := &http.Server{
		ReadTimeout: time.Minute,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			w.Write(body)
		}),
	}
	served := async(func() error { return srv.Serve(l) })
	defer func() {
		srv.Close()
		a.Close()
		<-served
	}()
	answers := bufio.NewReader(a)
	for range 10 {
		body := strings.Repeat("strand ", 10_000)
		req, err := http.NewRequestWithContext(soon(t), http.MethodPost, "http://tunnel/", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if err := req.Write(a); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(answers, req)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || string(got) != body {
			t.Fatalf("answer = %s, %v, want the request's body", short(got), err)
		}
	}
}

// A oneListener accepts one connection.
type oneListener struct {
	conn net.Conn
	done chan struct{}
	once sync.Once
}

func (l *oneListener) Accept() (net.Conn, error) {
	if c := l.conn; c != nil {
		l.conn = nil
		return c, nil
	}
	<-l.done
	return nil, net.ErrClosed
}

func (l *oneListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return nil
}

func (l *oneListener) Addr() net.Addr { return &net.TCPAddr{} }
