package main

import (
	"context"
	"fmt"
	"io"
	"os/signal"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf16"

	"github.com/spf13/cobra"
)

func newSub(t terminal) *cobra.Command {
	var url string
	cmd := &cobra.Command{
		Use:   "sub CHANNEL...",
		Short: "Print the messages of channels",
		Long: "Subscribe to channels and print each publication as one line of JSON, until the connection\n" +
			"ends or a signal comes. A gap in a channel is reported on stderr.\n\n" +
			"The exit code is 0 after a signal or a close with 1000, 1 when the server could not be reached\n" +
			"or refused, 2 after a bad flag, and 3 when the connection ended otherwise.",
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			s := subscriber{out: t.out, notes: t.err, last: make(map[string]position)}
			err := s.run(ctx, url, args)
			if ctx.Err() != nil {
				return nil // asked to stop
			}
			return endOf(err)
		},
	}
	cmd.Flags().StringVar(&url, "url", defaultURL, "WebSocket URL of the server")
	return cmd
}

// A subscriber prints publications and watches that none is missing.
type subscriber struct {
	out, notes io.Writer
	last       map[string]position // by channel
}

func (s *subscriber) run(ctx context.Context, url string, channels []string) error {
	c, err := dialNative(ctx, url)
	if err != nil {
		return err
	}
	defer c.close()
	for _, channel := range channels {
		a, err := c.command(ctx, "subscribe", map[string]string{"channel": channel})
		if err != nil {
			return err
		}
		if a.Subscribe == nil {
			return fmt.Errorf("subscribe: the server's reply has no position")
		}
		s.last[channel] = *a.Subscribe
		fmt.Fprintf(s.notes, "subscribed to %s\n", printable([]byte(channel)))
	}
	for {
		p, err := c.next(ctx)
		if err != nil {
			return err
		}
		if err := s.show(p); err != nil {
			return err
		}
	}
}

func (s *subscriber) show(p publication) error {
	last := s.last[p.Channel]
	if last.Epoch != p.Epoch || last.Offset != p.Prev {
		fmt.Fprintf(s.notes, "%s: publications are missing before offset %d\n", printable([]byte(p.Channel)), p.Offset)
	}
	s.last[p.Channel] = p.position
	_, err := fmt.Fprintln(s.out, printableJSON(p.text))
	return err
}

// printableJSON makes compact JSON safe to show without changing what it means:
// what a terminal may take for more than text can stand in its strings alone,
// where it is escaped.
func printableJSON(text []byte) string {
	var b strings.Builder
	for _, r := range string(text) {
		if unicode.IsPrint(r) {
			b.WriteRune(r)
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(&b, `\u%04x`, unit)
		}
	}
	return b.String()
}
