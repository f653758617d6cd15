package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-15847954/ropewalk/websocket"
)

// A connection is what `ropewalk connect` is asked for.
type connection struct {
	url          string
	subprotocols []string
	headers      []string
	origin       string
	compress     bool
	insecure     bool
	pingInterval time.Duration
	wait         time.Duration
}

const connectHelp = `Each line of input is sent as a text message. Lines that begin with a slash are commands:
  /binary HEX            send a binary message
  /ping                  send a Ping and show the round trip
  /close [CODE [TEXT]]   perform the closing handshake
  /help                  show this
  //TEXT                 send a text that begins with a slash

Received messages begin with <, what happens besides with *.

The exit code is 0 after a close with 1000, 1001 or no code, by either side; 1 when no
connection could be made; 2 after a bad flag; 3 when the connection ended otherwise.`

func newConnect(t terminal) *cobra.Command {
	var c connection
	cmd := &cobra.Command{
		Use:   "connect URL",
		Short: "Talk to a WebSocket server from the terminal",
		Long:  "Connect to a WebSocket server and talk to it.\n\n" + connectHelp,
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c.url = args[0]
			return c.run(cmd.Context(), t)
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&c.subprotocols, "subprotocol", nil, "`subprotocol` to offer, most wanted first")
	f.StringArrayVar(&c.headers, "header", nil, "`\"Name: value\"` to send with the handshake")
	f.StringVar(&c.origin, "origin", "", "`origin` to send, as a browser on that page would")
	f.BoolVar(&c.compress, "compress", false, "offer permessage-deflate")
	f.BoolVar(&c.insecure, "insecure", false, "take any TLS certificate")
	f.DurationVar(&c.pingInterval, "ping-interval", 0, "ping a silent server this often; 0: never")
	f.DurationVar(&c.wait, "wait", time.Second, "how long to go on receiving after the end of the input")
	return cmd
}

func (c *connection) run(ctx context.Context, t terminal) error {
	console, err := newConsole(t)
	if err != nil {
		return &exitError{exitFailed, err}
	}
	defer console.close()
	opts, err := c.options(console)
	if err != nil {
		return err
	}
	conn, _, err := websocket.Dial(ctx, c.url, opts)
	if err != nil {
		return &exitError{exitFailed, err}
	}
	defer conn.CloseNow()
	console.event("connected" + agreed(conn))
	received := make(chan error, 1)
	go func() { received <- receive(ctx, conn, console) }()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_ = send(ctx, conn, console) // how the connection ended, the receiver is told
	}()
	select {
	case err = <-received:
	case <-sent:
		err = c.leave(conn, received)
	}
	return ended(console, err)
}

// leave closes the connection after the end of the input, when nothing has come
// for a while.
func (c *connection) leave(conn *websocket.Conn, received <-chan error) error {
	select {
	case err := <-received:
		return err
	case <-time.After(c.wait):
	}
	_ = conn.Close(websocket.CloseNormal, "") // how it ended, the receiver is told
	return <-received
}

func (c *connection) options(console *console) (*websocket.DialOptions, error) {
	opts := &websocket.DialOptions{
		HTTPHeader:   http.Header{},
		Subprotocols: c.subprotocols,
		Limits:       websocket.Limits{MaxMessageSize: -1},
		KeepAlive:    websocket.KeepAlive{Interval: c.pingInterval},
		OnPing:       func(p []byte) { console.event("ping " + printable(p)) },
		OnPong:       func(p []byte) { console.event("pong") },
	}
	for _, h := range c.headers {
		name, value, ok := strings.Cut(h, ":")
		if !ok || name == "" {
			return nil, usagef("--header %q: must be \"Name: value\"", h)
		}
		opts.HTTPHeader.Add(name, strings.TrimSpace(value))
	}
	if c.origin != "" {
		opts.HTTPHeader.Set("Origin", c.origin)
	}
	if c.compress {
		opts.Compression = &websocket.Compression{}
	}
	if c.insecure {
		opts.TLSConfig = &tls.Config{InsecureSkipVerify: true} //nolint:gosec // asked for by name
	}
	return opts, nil
}

func agreed(conn *websocket.Conn) string {
	s := ""
	if p := conn.Subprotocol(); p != "" {
		s += ", subprotocol " + p
	}
	if conn.Compressed() {
		s += ", permessage-deflate"
	}
	return s
}

// ended shows how the connection ended and returns the exit code's error.
func ended(console *console, err error) error {
	var closed *websocket.CloseError
	if !errors.As(err, &closed) {
		return &exitError{exitAbnormal, err}
	}
	side := "us"
	if closed.Remote {
		side = "the server"
	}
	line := fmt.Sprintf("closed by %s: %v", side, closed.Code)
	if closed.Reason != "" {
		line += " " + printable([]byte(closed.Reason))
	}
	if closed.Err != nil {
		line += ": " + printable([]byte(closed.Err.Error()))
	}
	console.event(line)
	switch closed.Code {
	case websocket.CloseNormal, websocket.CloseGoingAway, websocket.CloseNoStatus:
		return nil
	}
	return &exitError{code: exitAbnormal}
}

// receive shows what comes until the connection ends, and returns how.
func receive(ctx context.Context, conn *websocket.Conn, console *console) error {
	for {
		typ, p, err := conn.Read(ctx)
		if err != nil {
			return err
		}
		if typ == websocket.Text {
			console.message(printable(p))
		} else {
			console.message(fmt.Sprintf("binary %d bytes: %x", len(p), p))
		}
	}
}
