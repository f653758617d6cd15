package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-15847954/ropewalk/websocket"
)

// An echoServer sends every message back, to try clients against.
type echoServer struct {
	addr         string
	origins      []string
	subprotocols []string
	compress     bool
	events       bool
	maxMessage   int64
	cert, key    string
}

func newEcho(t terminal) *cobra.Command {
	var e echoServer
	cmd := &cobra.Command{
		Use:   "echo",
		Short: "Serve a WebSocket that echoes every message",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return e.run(cmd.Context(), t)
		},
	}
	f := cmd.Flags()
	f.StringVar(&e.addr, "addr", "127.0.0.1:9001", "`address` to listen on")
	f.StringSliceVar(&e.origins, "origin", nil, "origin `pattern` that is allowed besides the server's own, such as https://*.example.com; * allows all")
	f.StringSliceVar(&e.subprotocols, "subprotocol", nil, "`subprotocol` to agree to")
	f.BoolVar(&e.compress, "compress", false, "agree to permessage-deflate")
	f.BoolVar(&e.events, "events", false, "use event mode: no goroutine for a connection that is idle")
	f.Int64Var(&e.maxMessage, "max-message", 16<<20, "largest message in `bytes`; negative: no limit")
	f.StringVar(&e.cert, "tls-cert", "", "`file` with the certificate chain in PEM")
	f.StringVar(&e.key, "tls-key", "", "`file` with the private key in PEM")
	return cmd
}

// run serves until a signal comes, and then closes the connections. A second
// signal ends the process at once.
func (e *echoServer) run(ctx context.Context, t terminal) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	pair, err := e.pair()
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", e.addr)
	if err != nil {
		return &exitError{exitFailed, err}
	}
	var conns sync.WaitGroup
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			conns.Add(1)
			e.serve(ctx, w, r, conns.Done)
		}),
		ReadHeaderTimeout: 10 * time.Second,
	}
	context.AfterFunc(ctx, func() {
		stop() // from here on a signal has its default effect
		_ = server.Close()
	})
	scheme := "ws"
	if e.cert != "" {
		scheme = "wss"
		listener = tls.NewListener(listener, &tls.Config{
			Certificates: []tls.Certificate{pair},
			NextProtos:   []string{"http/1.1"},
		})
	}
	fmt.Fprintf(t.out, "echo on %s://%s\n", scheme, listener.Addr())
	err = server.Serve(listener)
	if !errors.Is(err, http.ErrServerClosed) {
		return &exitError{exitFailed, err}
	}
	conns.Wait()
	return nil
}

// pair loads the certificate, if one is asked for.
func (e *echoServer) pair() (tls.Certificate, error) {
	switch {
	case e.cert == "" && e.key == "":
		return tls.Certificate{}, nil
	case e.cert == "" || e.key == "":
		return tls.Certificate{}, usagef("--tls-cert and --tls-key go together: both must be set, or neither")
	}
	pair, err := tls.LoadX509KeyPair(e.cert, e.key)
	if err != nil {
		return pair, usagef("--tls-cert %s, --tls-key %s: %w", e.cert, e.key, err)
	}
	return pair, nil
}

// serve takes one connection. It calls done when that has ended, and has it closed
// when ctx ends.
func (e *echoServer) serve(ctx context.Context, w http.ResponseWriter, r *http.Request, done func()) {
	c, err := websocket.Accept(w, r, e.options())
	if err != nil {
		done() // the peer was told
		return
	}
	leave := context.AfterFunc(ctx, func() { _ = c.Close(websocket.CloseGoingAway, "server is shutting down") })
	if e.events {
		c.Handle(&echoEvents{leave: leave, done: done})
		return
	}
	defer done()
	defer c.CloseNow()
	defer leave()
	echo(c)
}

// echo sends every message back until the connection ends.
func echo(c *websocket.Conn) {
	var buf []byte
	for {
		typ, p, err := c.ReadAppend(context.Background(), buf[:0])
		if err != nil {
			return
		}
		if err := c.Write(context.Background(), typ, p); err != nil {
			return
		}
		if buf = p; cap(buf) > 64<<10 {
			buf = nil // one large message should not hold its memory
		}
	}
}

func (e *echoServer) options() *websocket.AcceptOptions {
	opts := &websocket.AcceptOptions{
		Subprotocols: e.subprotocols,
		Limits:       websocket.Limits{MaxMessageSize: e.maxMessage},
	}
	for _, o := range e.origins {
		if o == "*" {
			opts.InsecureSkipOriginCheck = true
			continue
		}
		opts.OriginPatterns = append(opts.OriginPatterns, o)
	}
	if e.compress {
		opts.Compression = &websocket.Compression{}
	}
	return opts
}
