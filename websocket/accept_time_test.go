package websocket_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-15847954/ropewalk/websocket"
	"github.com/seed-15847954/ropewalk/websocket/frame"
	"github.com/seed-15847954/ropewalk/websocket/wstest"
)

// A body that is announced and never sent does not hold the connection.
//
// Security 5.
func TestAcceptBodyNeverSent(t *testing.T) { bothWays(t, testAcceptBodyNeverSent) }

func testAcceptBodyNeverSent(t *testing.T, serve serveFunc) {
	s := serve(t, nil)
	for _, edit := range []string{"Content-Length: 5", "Content-Length: 100000", "Transfer-Encoding: chunked"} {
		if resp, _ := s.exchange(t, upgradeRequest(edit)); resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%q: status %d, want 400", edit, resp.StatusCode)
		}
	}
}

// serveInMemory runs a server of c inside a synctest bubble.
func serveInMemory(t *testing.T, config *http.Server) *memoryListener {
	l := newMemoryListener()
	config.ErrorLog = discardLog()
	done := make(chan error, 1)
	go func() { done <- config.Serve(l) }()
	t.Cleanup(func() {
		config.Close()
		<-done
	})
	return l
}

// The deadlines of the HTTP server end with the handshake, which has its own.
//
// Security 5.
func TestAcceptDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		accepted := make(chan *websocket.Conn, 1)
		l := serveInMemory(t, &http.Server{
			ReadTimeout: time.Second, WriteTimeout: time.Second,
			Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				c, err := websocket.Accept(w, r, nil)
				if err != nil {
					t.Errorf("Accept() = %v", err)
				}
				accepted <- c
			}),
		})
		conn := l.dial()
		conn.Write(upgradeRequest())
		if _, _, err := readAnswer(conn); err != nil {
			t.Fatal(err)
		}
		c := <-accepted
		<-time.After(20 * time.Second)
		go wstest.PeerOn(conn).SendFrame(frame.Header{Fin: true, Opcode: frame.Text, Masked: true}, []byte("late"))
		mustRead(t, c, websocket.Text, []byte("late"))
		mustWrite(t, c, websocket.Text, []byte("later"))
		c.CloseNow()
		conn.Close()
	})
}

// A hook that takes too long has its context ended, and the client an answer.
//
// Security 5.
func TestAcceptHandshakeTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		outcome := make(chan error, 1)
		l := serveInMemory(t, &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, err := websocket.Accept(w, r, &websocket.AcceptOptions{
				HandshakeTimeout: 3 * time.Second,
				BeforeUpgrade: func(r *http.Request, _ http.Header) error {
					<-r.Context().Done()
					return nil
				},
			})
			outcome <- err
		})})
		conn := l.dial()
		conn.Write(upgradeRequest())
		start := time.Now()
		err := <-outcome
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 3*time.Second {
			t.Errorf("Accept() = %v after %v, want context.DeadlineExceeded after 3s", err, time.Since(start))
		}
		if resp, _, err := readAnswer(conn); err != nil || resp.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("answer %v, %v, want 503", resp, err)
		}
		conn.Close()
	})
}

// A client that does not read its answer is given up.
//
// Checks 6455-129.
// Security 5, 26.
func TestAcceptUnreadAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		defer b.Close()
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header = http.Header{
			"Upgrade": {"websocket"}, "Connection": {"Upgrade"}, "Sec-Websocket-Key": {sampleKey}, "Sec-Websocket-Version": {"13"},
		}
		_, err := websocket.Accept(newHijackable(a), r, nil)
		if err == nil {
			t.Fatal("Accept() = nil, want an error")
		}
		if n, err := b.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("Read() = %d, %v, want EOF", n, err)
		}
	})
}
