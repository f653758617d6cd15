package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode"
	"unicode/utf16"

	"github.com/spf13/cobra"

	"github.com/seed-15847954/ropewalk/client"
)

func newSub(t terminal) *cobra.Command {
	var url string
	var options client.SubscribeOptions
	var encoding func() client.Encoding
	cmd := &cobra.Command{
		Use:   "sub CHANNEL...",
		Short: "Print the messages of channels",
		Long: "Subscribe to channels and print each publication as one line of JSON, until a signal comes.\n" +
			"A lost connection is taken up again, and what was missed meanwhile follows; stderr tells of that,\n" +
			"and of publications that are gone.\n\n" +
			"The exit code is 0 after a signal or a close with 1000, 1 when the server could not be reached\n" +
			"or refused, 2 after a bad flag, and 3 when it ended the connection for good.",
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
			defer stop()
			s := subscriber{encoding: encoding(), out: t.out, notes: t.err}
			err := s.run(ctx, url, args, &options)
			if ctx.Err() != nil {
				return nil // asked to stop
			}
			return endOf(err)
		},
	}
	cmd.Flags().StringVar(&url, "url", defaultURL, "WebSocket URL of the server")
	cmd.Flags().IntVar(&options.Latest, "latest", 0, "how many publications of the history to begin with")
	cmd.Flags().BoolVar(&options.Pattern, "pattern", false, "the channels are patterns: * stands for any characters but a dot, ** for any")
	encoding = protobufFlag(cmd)
	return cmd
}

// A subscriber prints publications, and tells of what went wrong.
type subscriber struct {
	encoding client.Encoding

	mu         sync.Mutex
	out, notes io.Writer
}

func (s *subscriber) run(ctx context.Context, url string, channels []string, o *client.SubscribeOptions) error {
	c, failed, err := dial(url, s.encoding, func(err error, next time.Duration) {
		s.note("connection lost, back in %v: %s", next.Round(time.Millisecond), printable([]byte(err.Error())))
	})
	if err != nil {
		return err
	}
	defer c.Close()
	ended := make(chan error, len(channels))
	for _, channel := range channels {
		sub, err := c.Subscribe(channel, o)
		if err != nil {
			return err
		}
		go func() { ended <- s.follow(ctx, sub) }()
	}
	select {
	case err := <-failed:
		return err
	case err := <-ended:
		select { // the client's end is why the subscription's came
		case err := <-failed:
			return err
		default:
			return err
		}
	}
}

// follow prints what one subscription brings.
func (s *subscriber) follow(ctx context.Context, sub *client.Subscription) error {
	channel := printable([]byte(sub.Channel()))
	for e, err := range sub.Events(ctx) {
		if err != nil {
			return fmt.Errorf("%s: %w", channel, err)
		}
		switch e := e.(type) {
		case *client.Subscribed:
			if e.Recovered {
				s.note("%s: back, from offset %d on", channel, e.Position.Offset)
				continue
			}
			s.note("subscribed to %s", channel)
		case *client.Lost:
			s.note("%s: publications may be missing behind offset %d (%s)", channel, e.Since.Offset, printable([]byte(e.Reason)))
		case *client.Skipped:
			s.note("%s: publications behind offset %d, up to %d, are left out (%s)", channel, e.Prev, e.Offset, printable([]byte(e.Reason)))
		case *client.Publication:
			if err := s.show(e); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *subscriber) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(s.notes, format+"\n", args...)
}

// A printed is a publication as it is printed.
type printed struct {
	Channel string `json:"channel"`
	client.Position
	Prev        uint64            `json:"prev"`
	Time        int64             `json:"time,omitempty"`
	ID          string            `json:"id,omitempty"`
	Key         string            `json:"key,omitempty"`
	Tags        map[string]string `json:"tags,omitempty"`
	Client      string            `json:"client,omitempty"`
	ContentType string            `json:"content_type,omitempty"`
	Base64      []byte            `json:"base64,omitempty"`
	Data        json.RawMessage   `json:"data,omitempty"`
}

func (s *subscriber) show(p *client.Publication) error {
	l := printed{
		Channel: p.Channel, Position: p.Position, Prev: p.Prev, Time: p.Time.UnixMilli(),
		ID: p.ID, Key: p.Key, Tags: p.Tags, Client: p.Client, ContentType: p.ContentType,
	}
	if p.ContentType == "" {
		l.Data = p.Data
	} else {
		l.Base64 = p.Data
	}
	text, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("publication: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err = fmt.Fprintln(s.out, printableJSON(text))
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
