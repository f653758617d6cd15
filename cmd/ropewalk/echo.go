package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-15847954/ropewalk/websocket"
)

// echoFlags are the flags of `ropewalk echo`.
type echoFlags struct {
	addr       string
	origins    []string
	compress   bool
	maxMessage int64
	cert, key  string
}

func newEcho() *cobra.Command {
	var flags echoFlags
	cmd := &cobra.Command{
		Use:   "echo",
		Short: "Run a server that sends every message back",
		Long:  "Run a WebSocket server that sends every message back to who sent it, to try clients against.",
		Args:  arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return flags.run(cmd.Context(), cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	f.StringVar(&flags.addr, "addr", "127.0.0.1:9001", "address to listen on")
	f.StringArrayVar(&flags.origins, "origin", nil, "origin whose pages may connect: [scheme://]host[:port]; may be repeated")
	f.BoolVar(&flags.compress, "compress", false, "accept permessage-deflate (RFC 7692)")
	f.Int64Var(&flags.maxMessage, "max-message", 0, "largest message in bytes; 0 means 1 MiB, a negative value no bound")
	f.StringVar(&flags.cert, "tls-cert", "", "file with the TLS certificate chain in PEM")
	f.StringVar(&flags.key, "tls-key", "", "file with the key of the certificate in PEM")
	return cmd
}

func (f *echoFlags) run(ctx context.Context, out io.Writer) error {
	listen, scheme, err := f.listener()
	if err != nil {
		return err
	}
	ctx, stop := untilSignal(ctx)
	defer stop()
	ln, err := listen()
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	if _, err := fmt.Fprintf(out, "echo at %s://%s/\n", scheme, ln.Addr()); err != nil {
		return err
	}
	return f.serve(ctx, ln)
}

// listener checks the flags and returns what opens the address.
func (f *echoFlags) listener() (listen func() (net.Listener, error), scheme string, err error) {
	if _, _, err := net.SplitHostPort(f.addr); err != nil {
		return nil, "", usagef("--addr %q is not host:port", f.addr)
	}
	if (f.cert == "") != (f.key == "") {
		return nil, "", usagef("--tls-cert and --tls-key go together")
	}
	if f.cert == "" {
		return func() (net.Listener, error) { return net.Listen("tcp", f.addr) }, "ws", nil
	}
	cert, err := tls.LoadX509KeyPair(f.cert, f.key)
	if err != nil {
		return nil, "", usagef("--tls-cert and --tls-key: %w", err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"http/1.1"}}
	return func() (net.Listener, error) { return tls.Listen("tcp", f.addr, config) }, "wss", nil
}

// serve echoes until ctx ends, and then closes every connection with 1001.
func (f *echoFlags) serve(ctx context.Context, ln net.Listener) error {
	options := &websocket.AcceptOptions{
		OriginPatterns: f.origins,
		Limits:         websocket.Limits{MaxMessageSize: f.maxMessage},
	}
	if f.compress {
		options.Compression = &websocket.Compression{}
	}
	var connections sync.WaitGroup
	srv := &http.Server{
		ReadHeaderTimeout: 5 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			connections.Add(1)
			defer connections.Done()
			conn, err := websocket.Accept(w, r, options)
			if err != nil {
				return // the client has its answer
			}
			defer conn.CloseNow()
			_ = echo(ctx, conn)
		}),
	}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(ln) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := srv.Shutdown(grace); err != nil {
		return errors.Join(err, srv.Close())
	}
	connections.Wait()
	return nil
}

// echo sends every message of conn back until it ends. When ctx ends, it closes conn.
func echo(ctx context.Context, conn *websocket.Conn) error {
	stop := context.AfterFunc(ctx, func() { _ = conn.Close(websocket.CloseGoingAway, "") })
	defer stop()
	var buf []byte
	for {
		typ, message, err := conn.ReadAppend(context.Background(), buf[:0])
		if err != nil {
			return err
		}
		if err := conn.Write(context.Background(), typ, message); err != nil {
			return err
		}
		buf = message
	}
}
