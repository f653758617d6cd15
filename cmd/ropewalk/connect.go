package main

import (
	"context"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-15847954/ropewalk/websocket"
)

// connectFlags are the flags of `ropewalk connect`.
type connectFlags struct {
	subprotocols []string
	headers      []string
	origin       string
	compress     bool
	insecure     bool
	pingInterval time.Duration
	maxMessage   int64
}

func newConnect() *cobra.Command {
	var flags connectFlags
	cmd := &cobra.Command{
		Use:   "connect URL",
		Short: "Talk to a WebSocket server by hand",
		Long: "Connect to a ws:// or wss:// URL, send each line as a text message, and print what comes.\n" +
			"A line /ping sends a ping, /close [CODE [REASON]] closes, and //text sends /text.\n" +
			"The end of the input closes with code 1000. Messages go to stdout, everything else to stderr.\n\n" +
			"Exit codes: 0 when the connection was closed with 1000 or without a code, 1 when it could not\n" +
			"be opened or ended otherwise, 2 for a wrong command line.",
		Args: arguments(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return flags.run(cmd, args[0])
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&flags.subprotocols, "subprotocol", nil, "subprotocol to offer; may be repeated")
	f.StringArrayVar(&flags.headers, "header", nil, `header to send, as "Name: value"; may be repeated`)
	f.StringVar(&flags.origin, "origin", "", "Origin header to send")
	f.BoolVar(&flags.compress, "compress", false, "offer permessage-deflate (RFC 7692)")
	f.BoolVar(&flags.insecure, "insecure", false, "do not verify the server's certificate")
	f.DurationVar(&flags.pingInterval, "ping-interval", 0, "send a ping and show its answer each time this has passed; 0 means never")
	f.Int64Var(&flags.maxMessage, "max-message", 0, "largest message in bytes; 0 means 1 MiB, a negative value no bound")
	return cmd
}

func (f *connectFlags) run(cmd *cobra.Command, url string) error {
	options, err := f.options()
	if err != nil {
		return err
	}
	if err := checkURL(url); err != nil {
		return err
	}
	conn, resp, err := websocket.Dial(cmd.Context(), url, options)
	if err != nil {
		return refusal(err, resp)
	}
	defer conn.CloseNow()
	screen, err := newScreen(cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	defer screen.close()
	screen.note("connected%s", agreed(conn))
	d := dialogue{conn: conn, screen: screen}
	return d.run(cmd.Context(), f.pingInterval)
}

func (f *connectFlags) options() (*websocket.DialOptions, error) {
	header := make(http.Header)
	for _, line := range f.headers {
		name, value, ok := strings.Cut(line, ":")
		if !ok || strings.TrimSpace(name) == "" {
			return nil, usagef("--header %q is not of the form \"Name: value\"", line)
		}
		header.Add(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	if f.origin != "" {
		header.Set("Origin", f.origin)
	}
	if f.pingInterval < 0 {
		return nil, usagef("--ping-interval %v is negative", f.pingInterval)
	}
	options := &websocket.DialOptions{
		HTTPHeader:   header,
		Subprotocols: f.subprotocols,
		Limits:       websocket.Limits{MaxMessageSize: f.maxMessage},
	}
	if f.compress {
		options.Compression = &websocket.Compression{}
	}
	if f.insecure {
		options.TLSConfig = &tls.Config{InsecureSkipVerify: true} // what the flag says
	}
	return options, nil
}

// refusal adds the status of the server's answer where there was one.
func refusal(err error, resp *http.Response) error {
	if resp == nil {
		return err
	}
	return fmt.Errorf("%w (the server answered %s)", err, resp.Status)
}

// agreed says what the handshake has agreed.
func agreed(conn *websocket.Conn) string {
	var s string
	if p := conn.Subprotocol(); p != "" {
		s += ", subprotocol " + p
	}
	if conn.Compressed() {
		s += ", compressed"
	}
	return s
}

// A dialogue passes lines from the screen to the connection, and messages back.
type dialogue struct {
	conn   *websocket.Conn
	screen *screen
}

// run returns when the connection has ended: nil if that was normal.
func (d *dialogue) run(ctx context.Context, pingInterval time.Duration) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// The goroutine that waits for input cannot be woken: it ends with the input.
	go d.send(ctx)
	if pingInterval > 0 {
		go d.pingEvery(ctx, pingInterval)
	}
	err := d.receive(ctx)
	closed, ok := errors.AsType[*websocket.CloseError](err)
	if !ok {
		return err
	}
	who := "by this side"
	if closed.Remote {
		who = "by the server"
	}
	d.screen.note("closed %s: %v%s", who, closed.Code, reason(closed.Reason))
	return endOf(err)
}

func reason(s string) string {
	if s == "" {
		return ""
	}
	return fmt.Sprintf(" %q", s)
}

func (d *dialogue) receive(ctx context.Context) error {
	for {
		typ, message, err := d.conn.Read(ctx)
		if err != nil {
			return err
		}
		if typ == websocket.Text {
			d.screen.message(printable(string(message)))
		} else {
			d.screen.message("binary " + hex.EncodeToString(message))
		}
	}
}

// send sends the lines of the input until it ends.
func (d *dialogue) send(ctx context.Context) {
	for {
		line, err := d.screen.readLine()
		if err != nil {
			_ = d.conn.Close(websocket.CloseNormal, "")
			return
		}
		if err := d.obey(ctx, line); err != nil {
			d.screen.note("%v", err)
		}
	}
}

func (d *dialogue) obey(ctx context.Context, line string) error {
	word, rest, _ := strings.Cut(line, " ")
	switch {
	case strings.HasPrefix(line, "//"):
		return d.conn.Write(ctx, websocket.Text, []byte(line[1:]))
	case word == "/ping":
		return d.ping(ctx)
	case word == "/close":
		return d.close(rest)
	case strings.HasPrefix(line, "/"):
		return fmt.Errorf("no such command: %s (there are /ping, /close [CODE [REASON]] and //text)", word)
	}
	return d.conn.Write(ctx, websocket.Text, []byte(line))
}

func (d *dialogue) ping(ctx context.Context) error {
	rtt, err := d.conn.Ping(ctx)
	if err != nil {
		return fmt.Errorf("ping: %w", err)
	}
	d.screen.note("pong after %v", rtt.Round(time.Microsecond))
	return nil
}

func (d *dialogue) close(args string) error {
	code := websocket.CloseNormal
	number, text, _ := strings.Cut(strings.TrimSpace(args), " ")
	if number != "" {
		var n uint16
		if _, err := fmt.Sscanf(number, "%d", &n); err != nil {
			return fmt.Errorf("%q is no close code", number)
		}
		code = websocket.CloseCode(n)
	}
	return d.conn.Close(code, text)
}

func (d *dialogue) pingEvery(ctx context.Context, interval time.Duration) {
	ticks := time.NewTicker(interval)
	defer ticks.Stop()
	for {
		select {
		case <-ticks.C:
		case <-d.conn.Context().Done():
			return
		}
		if err := d.ping(ctx); err != nil {
			return // the connection has ended
		}
	}
}
